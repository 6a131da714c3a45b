//! The function `process` on its own: pulls reports from the queue and turns them into crashes.

use std::process::ExitCode;

use epitaph_process::{OpenError, Puller, open_queue, parser};

fn main() -> ExitCode {
    // The child that parses a hostile dump needs none of the rest.
    if std::env::args_os().nth(1).is_some_and(|command| command == parser::COMMAND) {
        return parser::worker_main();
    }
    epitaph_host::run_worker("process", async |context, stop| {
        let (consumer, puller) = (open_queue(&context.settings)?, Puller::open(&context)?);
        Ok::<_, OpenError>(puller.pull(consumer, stop))
    })
}

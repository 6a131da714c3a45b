//! The function `process` on its own: turns the reports of the queue into crashes. It pulls them, or a Knative
//! broker posts them, or AWS Lambda hands them over in batches.

use std::process::ExitCode;

#[cfg(feature = "lambda")]
use epitaph_host::Platform;
#[cfg(feature = "knative")]
use epitaph_host::QueueUrl;
use epitaph_host::Work;
use epitaph_process::{OpenError, Puller};

fn main() -> ExitCode {
    // The children that read hostile files need none of the rest.
    if let Some(ended) = epitaph_process::child_main() {
        return ended;
    }
    epitaph_host::run_worker("process", async |context, stop| {
        let puller = Puller::open(&context)?;
        Ok::<_, OpenError>(match (context.settings.platform, &context.settings.queue) {
            #[cfg(feature = "lambda")]
            (Platform::Lambda, _) => Work::Invoke(Box::new(epitaph_process::Batches::new(puller))),
            #[cfg(feature = "knative")]
            (_, QueueUrl::Broker(broker)) => {
                let settings = epitaph_process::SubscriberSettings::new(&context, broker.largest_message);
                Work::Serve(epitaph_process::subscriber(puller, settings))
            }
            #[cfg(any(feature = "embedded", feature = "sqs"))]
            _ => Work::Pull(Box::pin(puller.pull(epitaph_process::open_queue(&context.settings)?, stop))),
            #[cfg(not(any(feature = "embedded", feature = "sqs")))]
            _ => {
                drop(stop);
                return Err(OpenError::NoEngine);
            }
        })
    })
}

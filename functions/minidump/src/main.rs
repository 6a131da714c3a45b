//! The collector of minidumps, as a function of its own.

use std::process::ExitCode;

use epitaph_ingest::Collector;

fn main() -> ExitCode {
    epitaph_host::run_function("minidump", async |context| {
        let collector = Collector::open(&context)?;
        collector.warm_up().await;
        Ok::<_, epitaph_ingest::OpenError>(epitaph_minidump::router(collector))
    })
}

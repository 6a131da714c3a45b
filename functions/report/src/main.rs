//! The collector of plain JSON reports, as a function of its own.

use std::process::ExitCode;

use epitaph_ingest::Collector;

fn main() -> ExitCode {
    epitaph_host::run_function("report", async |context| {
        Ok::<_, epitaph_ingest::OpenError>(epitaph_report::router(Collector::open(&context)?))
    })
}

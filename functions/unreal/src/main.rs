//! The collector of Unreal's crash reports, as a function of its own.

use std::process::ExitCode;

use epitaph_ingest::Collector;

fn main() -> ExitCode {
    epitaph_host::run_function("unreal", async |context| {
        Ok::<_, epitaph_ingest::OpenError>(epitaph_unreal::router(Collector::open(&context)?))
    })
}

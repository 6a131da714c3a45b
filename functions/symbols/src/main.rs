//! Debug files in and look-ups out, as a function of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    epitaph_host::run_function("symbols", async |context| {
        Ok::<_, epitaph_symbols::OpenError>(epitaph_symbols::router(epitaph_symbols::Symbols::open(
            &context,
        )?))
    })
}

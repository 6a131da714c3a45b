//! The least that a function on AWS Lambda does: reads a request to its end and answers 200. What one of ours takes
//! longer than this, from its start to Lambda's first event, is its own.

use std::convert::Infallible;

use lambda_http::{Error, Request, run, service_fn};

fn main() -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = async |_: Request| Ok::<_, Infallible>("hello");
    runtime.block_on(run(service_fn(answer)))
}

//! The least that an HTTP server on hyper does: reads a body to its end and answers 200.
//!
//! One thread and no settings but `PORT`, so that what a function takes longer than this is the function's own.

use std::{convert::Infallible, env, error::Error, net::Ipv4Addr};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, runtime, task::JoinSet};

async fn answer(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    Ok(Response::new(Empty::new()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var_os("PORT").and_then(|port| port.to_str()?.parse().ok()).unwrap_or(8080);
    runtime::Builder::new_current_thread().enable_io().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let mut connections = JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await?;
            connections
                .spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(answer)));
        }
    })
}

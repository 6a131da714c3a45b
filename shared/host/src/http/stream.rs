//! A socket that gives back the bytes that were read to tell its protocol, and says when bytes move.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::phase::Phase;

/// The most that one read takes. hyper doubles its buffer when a read fills it; a little less than 16 KiB keeps it at
/// that, so that many large uploads at once need little memory.
const READ: usize = (16 << 10) - 1;

pub(super) struct Stream {
    socket: TcpStream,
    first: Bytes,
    phase: Arc<Phase>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, first: Bytes, phase: Arc<Phase>) -> Self {
        Self { socket, first, phase }
    }

    pub(super) fn into_socket(self) -> TcpStream {
        self.socket
    }

    fn written(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.phase.bytes_written(result.is_pending());
        result
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let length = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first[..length]);
            self.first.advance(length);
            return Poll::Ready(Ok(()));
        }
        let length = READ.min(buffer.remaining());
        let mut limited = ReadBuf::new(buffer.initialize_unfilled_to(length));
        let result = Pin::new(&mut self.socket).poll_read(context, &mut limited);
        let read = limited.filled().len();
        buffer.advance(read);
        if read > 0 {
            self.phase.bytes_read();
        }
        result
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

//! Knative eventing: messages are CloudEvents 1.0 over HTTP.
//!
//! Out: [`BrokerSender`] posts to the broker that `K_SINK` names, in binary mode: attributes are headers, the data is the
//! body. A broker that answers 2xx has taken the message. In: [`receive`] reads what a broker posts, in binary and in
//! structured mode, and [`Event::message`] makes a [`Message`](epitaph_crash_model::Message) of it again, whose `data` is
//! the text that was sent, to the letter; its signature is for whoever receives it to check.
//!
//! What comes in is bounded: the body by the receiver, attributes in number and in length. Batches are refused.

mod event;
mod header;
mod receive;
mod sender;
mod structured;

pub use self::{
    event::{Event, EventError},
    receive::receive,
    sender::{BrokerSender, BrokerSettings, BrokerSettingsError},
};

/// The largest body of a request with a message of so many bytes, whatever its mode: base64 makes four bytes of three.
pub const fn largest_body(message: usize) -> usize {
    message.div_ceil(3) * 4 + LARGEST_ATTRIBUTES
}

/// What a message adds to its data on the way, at most: attributes as headers, extensions included.
pub const LARGEST_ATTRIBUTES: usize = 8 << 10;

//! One TLS stack for all clients of the engines: rustls, with ring. A second provider of the same cryptography would add
//! three megabytes to every function, and `aws-lc` alone is two of them larger than ring.

mod roots;

pub use roots::amazons_roots;

/// Makes ring what rustls uses where nobody says otherwise. Whoever makes a client calls this first; it costs nothing,
/// and may be called again.
pub fn choose_provider() {
    // An error means that it was chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

//! Whom a function on AWS Lambda trusts.

/// The roots that Amazon signs its own endpoints with: <https://www.amazontrust.com/repository/>.
const AMAZONS_ROOTS: &str = include_str!("amazon-roots.pem");

/// What says that this process runs on AWS Lambda.
const ON_LAMBDA: &str = "AWS_LAMBDA_RUNTIME_API";

/// What says that a house brings authorities of its own.
const OWN_ROOTS: [&str; 2] = ["SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The roots, in PEM, that a client of `endpoint` needs on AWS Lambda, where the endpoint is Amazon's own or has no TLS.
/// `None` says that the system's roots are needed. `get` gives variables of the environment.
///
/// Parsing the system's 140 roots takes longer than all else that a function does before its first event, and it happens
/// once in each client. Elsewhere nobody waits for that, and a house may have put an authority of its own among them; on
/// Lambda it can do so with `SSL_CERT_FILE` alone.
pub fn amazons_roots(endpoint: &str, get: impl Fn(&str) -> Option<String>) -> Option<&'static str> {
    let on_lambda = get(ON_LAMBDA).is_some();
    let brings_its_own = OWN_ROOTS.iter().any(|name| get(name).is_some());
    (on_lambda && !brings_its_own && (is_amazons(endpoint) || endpoint.starts_with("http://")))
        .then_some(AMAZONS_ROOTS)
}

/// Amazon's partitions in China and for secrets have other names, and other authorities.
fn is_amazons(endpoint: &str) -> bool {
    let Some(rest) = endpoint.strip_prefix("https://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    host.ends_with(".amazonaws.com") || host.ends_with(".api.aws")
}

#[cfg(test)]
mod tests {
    use rustls::{
        RootCertStore,
        pki_types::{CertificateDer, pem::PemObject as _},
    };

    use super::*;

    fn roots(endpoint: &str, variables: &[&str]) -> Option<&'static str> {
        amazons_roots(endpoint, |name| variables.contains(&name).then(|| "set".to_owned()))
    }

    #[test]
    fn amazons_endpoints_are_trusted_by_amazons_roots_on_lambda_alone() {
        for endpoint in [
            "https://sqs.eu-west-1.amazonaws.com",
            "https://s3.dualstack.us-east-1.amazonaws.com/bucket",
            "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com:443",
            "https://sqs.eu-west-1.api.aws",
            "http://127.0.0.1:4566",
        ] {
            assert!(roots(endpoint, &[ON_LAMBDA]).is_some(), "{endpoint}");
            assert!(roots(endpoint, &[]).is_none(), "{endpoint}");
            assert!(roots(endpoint, &[ON_LAMBDA, "SSL_CERT_FILE"]).is_none(), "{endpoint}");
        }
    }

    #[test]
    fn other_endpoints_need_the_systems_roots() {
        for endpoint in [
            "https://minio.studio.example",
            "https://amazonaws.com.studio.example",
            "https://studio.example/sqs.eu-west-1.amazonaws.com",
            "https://sqs.eu-west-1.amazonaws.com@studio.example",
            "https://sqs.cn-north-1.amazonaws.com.cn",
        ] {
            assert!(roots(endpoint, &[ON_LAMBDA]).is_none(), "{endpoint}");
        }
    }

    #[test]
    fn every_root_is_one_that_certificates_are_checked_with() {
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(AMAZONS_ROOTS.as_bytes()) {
            store.add(certificate.unwrap()).unwrap();
        }
        assert_eq!(store.len(), 5);
    }
}

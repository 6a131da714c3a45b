//! S3, Google Cloud Storage and Azure Blob Storage.

use std::{ffi::OsString, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, Certificate, ClientConfigKey, ClientOptions, Error, ObjectStore, RetryConfig,
    path::Path,
    prefix::PrefixStore,
    signer::{self, SignedUrlOptions},
};
use url::Url;

use crate::{
    BucketError,
    open::{Connection, Environment},
};

/// Who waits here has a budget of a few seconds, and another way to go.
const CONNECT_TIMEOUT: &str = "2s";
const RETRY_TIMEOUT: Duration = Duration::from_secs(3);
const RETRIES: usize = 2;

/// Makes a client; nothing is asked yet.
pub(crate) fn connect(url: &Url, environment: &Environment) -> Result<Connection, BucketError> {
    epitaph_tls::choose_provider();
    let (store, signer) = match url.scheme() {
        #[cfg(feature = "s3")]
        "s3" => s3(url, environment)?,
        #[cfg(feature = "gs")]
        "gs" => gs(url, environment)?,
        #[cfg(feature = "az")]
        "az" => az(url, environment)?,
        other => {
            return Err(BucketError::BadLocation(format!("EPITAPH_BUCKET: {other}:// was not built in")));
        }
    };
    let prefix = Path::from_url_path(url.path())
        .map_err(|error| BucketError::BadLocation(format!("EPITAPH_BUCKET: the prefix is wrong: {error}")))?;
    let store = if prefix.as_ref().is_empty() {
        store
    } else {
        Arc::new(PrefixStore::new(store, prefix.clone())) as Arc<dyn ObjectStore>
    };
    // Azure takes no object without a header that says of which sort it is.
    let takes_objects = url.scheme() != "az";
    Ok(Connection { store, signer: Some(Signer { signer, prefix, takes_objects }) })
}

type Store = (Arc<dyn ObjectStore>, Arc<dyn signer::Signer>);

fn store<S: ObjectStore + signer::Signer>(built: Result<S, Error>) -> Result<Store, BucketError> {
    let store = Arc::new(built.map_err(|error| BucketError::Unavailable(Box::new(error)))?);
    Ok((Arc::clone(&store) as _, store))
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(1), ..BackoffConfig::default() };
    RetryConfig { max_retries: RETRIES, retry_timeout: RETRY_TIMEOUT, backoff }
}

/// A client that trusts those roots alone.
#[cfg(feature = "s3")]
fn trusting(roots: &str) -> Result<ClientOptions, BucketError> {
    let roots = Certificate::from_pem_bundle(roots.as_bytes());
    let roots = roots.map_err(|error| BucketError::Unavailable(Box::new(error)))?;
    let options = ClientOptions::new().with_no_system_certificates(true);
    Ok(roots.into_iter().fold(options, ClientOptions::with_root_certificate))
}

#[cfg(feature = "s3")]
fn s3(url: &Url, environment: &Environment) -> Result<Store, BucketError> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Config};

    let set = |builder: AmazonS3Builder, key: Config, value| builder.with_config(key, value);
    let read = |builder| match environment {
        Environment::OfProcess => configured(builder, std::env::vars_os().filter_map(in_text), "AWS_", set),
        Environment::Given(variables) => configured(builder, variables.iter().cloned(), "AWS_", set),
    };
    let mut builder = read(AmazonS3Builder::new());
    let endpoint =
        [Config::S3Endpoint, Config::Endpoint].iter().find_map(|key| builder.get_config_value(key));
    let amazons = endpoint.as_deref().unwrap_or("https://s3.amazonaws.com");
    if let Some(roots) = epitaph_tls::amazons_roots(amazons, |name| environment.get(name)) {
        // What the environment says about clients comes on top of it.
        builder = read(AmazonS3Builder::new().with_client_options(trusting(roots)?));
    }
    builder = builder
        .with_url(url.as_str())
        .with_retry(retry())
        .with_config(Config::Client(ClientConfigKey::ConnectTimeout), CONNECT_TIMEOUT);
    match endpoint {
        // Whoever names a server names how to talk to it; it finds the bucket in the path.
        Some(endpoint) => builder = builder.with_allow_http(endpoint.starts_with("http://")),
        None if builder.get_config_value(&Config::Region).is_none() => {
            let expected =
                "AWS_REGION is not set, expected the region of the bucket that EPITAPH_BUCKET names";
            return Err(BucketError::BadLocation(expected.into()));
        }
        // A name with dots has no certificate as a host.
        None if url.host_str().is_some_and(|bucket| !bucket.contains('.')) => {
            builder = builder.with_virtual_hosted_style_request(true);
        }
        None => {}
    }
    store(builder.build())
}

#[cfg(feature = "gs")]
fn gs(url: &Url, environment: &Environment) -> Result<Store, BucketError> {
    use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as Config};

    let builder = match environment {
        Environment::OfProcess => GoogleCloudStorageBuilder::from_env(),
        Environment::Given(variables) => {
            configured(GoogleCloudStorageBuilder::new(), variables.iter().cloned(), "GOOGLE_", {
                |builder, key: Config, value| builder.with_config(key, value)
            })
        }
    };
    let builder = builder
        .with_url(url.as_str())
        .with_retry(retry())
        .with_config(Config::Client(ClientConfigKey::ConnectTimeout), CONNECT_TIMEOUT);
    store(builder.build())
}

#[cfg(feature = "az")]
fn az(url: &Url, environment: &Environment) -> Result<Store, BucketError> {
    use object_store::azure::{AzureConfigKey as Config, MicrosoftAzureBuilder};

    let builder = match environment {
        Environment::OfProcess => MicrosoftAzureBuilder::from_env(),
        Environment::Given(variables) => {
            configured(MicrosoftAzureBuilder::new(), variables.iter().cloned(), "AZURE_", {
                |builder, key: Config, value| builder.with_config(key, value)
            })
        }
    };
    let builder = builder
        .with_url(url.as_str())
        .with_retry(retry())
        .with_config(Config::Client(ClientConfigKey::ConnectTimeout), CONNECT_TIMEOUT);
    store(builder.build())
}

/// Applies the variables that a store knows, as it does itself with those of the process.
fn configured<B, K: std::str::FromStr>(
    builder: B,
    variables: impl Iterator<Item = (String, String)>,
    prefix: &str,
    apply: impl Fn(B, K, String) -> B,
) -> B {
    variables.filter(|(name, _)| name.starts_with(prefix)).fold(builder, |builder, (name, value)| match name
        .to_ascii_lowercase()
        .parse()
    {
        Ok(key) => apply(builder, key, value),
        Err(_) => builder,
    })
}

/// A variable of the process, if it is text.
#[cfg(feature = "s3")]
fn in_text((name, value): (OsString, OsString)) -> Option<(String, String)> {
    name.into_string().ok().zip(value.into_string().ok())
}

/// Signs URLs for those who have no credentials.
pub(crate) struct Signer {
    signer: Arc<dyn signer::Signer>,
    prefix: Path,
    takes_objects: bool,
}

impl Signer {
    fn path(&self, key: &Path) -> Path {
        self.prefix.parts().chain(key.parts()).collect()
    }

    pub(crate) async fn sign_put(&self, key: &Path, lifetime: Duration) -> Result<Option<String>, Error> {
        if !self.takes_objects {
            return Ok(None);
        }
        let signed = self.signer.signed_url(http::Method::PUT, &self.path(key), lifetime).await?;
        Ok(Some(signed.into()))
    }

    pub(crate) async fn sign(
        &self,
        key: &Path,
        lifetime: Duration,
        file_name: &str,
    ) -> Result<String, Error> {
        let path = self.path(key);
        let as_file = SignedUrlOptions::new().with_query([
            ("response-content-type", "application/octet-stream".to_owned()),
            ("response-content-disposition", format!("attachment; filename=\"{file_name}\"")),
        ]);
        let signed = match self.signer.signed_url_opts(http::Method::GET, &path, lifetime, &as_file).await {
            // Azure signs no more than the address.
            Err(Error::NotSupported { .. }) => {
                self.signer.signed_url(http::Method::GET, &path, lifetime).await
            }
            signed => signed,
        };
        signed.map(Into::into)
    }
}

//! The dashboard over invented data, to look at: `cargo run -p epitaph-dashboard --example preview`.
//!
//! Prints the login link. Takes a port as its argument (default 8090). Everything lies in a temporary directory.

mod engine;
mod game;

use bytes::Bytes;
use epitaph_bucket::{Bucket, Key};
use epitaph_catalog::{Catalog, NewCrash};
use epitaph_crash_model::{Crash, Timestamp};
use epitaph_dashboard::{Dashboard, DashboardSettings, SymbolSettings, router};
use epitaph_facts::Facts;
use epitaph_secrets::{Purpose, RootSecret};

const CRASHES: u64 = 640;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(8090), |port| port.parse::<u16>())?;
    let directory = tempfile::tempdir()?;
    let root = RootSecret::new("only for looking at the pages")?;
    let catalog = Catalog::open(&format!("sqlite://{}/catalog.db", directory.path().display()))?;
    catalog.migrate().await?;
    let project = catalog.add_project(None, "Stonefall: Arena").await?.id;
    let bucket = Bucket::in_memory();

    let users = root.derive(Purpose::UserHash);
    let mut dice = game::Dice::new(7);
    for index in 0..CRASHES {
        let mut crash = game::crash(&mut dice, project, index, Timestamp::now());
        for (index, payload) in crash.payloads.iter_mut().enumerate() {
            let key = Key::payload(crash.project, crash.id, index);
            bucket.put(&key, Bytes::from(vec![b'.'; usize::try_from(payload.size)?])).await?;
            payload.key = key.to_string();
        }
        store(&catalog, &bucket, &crash, &users).await?;
    }
    for (crash, note) in game::showcase(project, Timestamp::now()) {
        println!("{note}: http://localhost:{port}/projects/{project}/crashes/{}", crash.id);
        store(&catalog, &bucket, &crash, &users).await?;
    }

    let settings = DashboardSettings {
        public_url: None,
        allowed_hosts: Vec::new(),
        token: "only-for-looking".to_owned(),
        session: root.derive(Purpose::Session),
        ingest: root.derive(Purpose::Ingest),
        largest_answer: None,
        symbols: SymbolSettings { folder: directory.path().join("symbols"), cache: 1 << 30 },
        is_demo: false,
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("open http://{}/login?token=only-for-looking", listener.local_addr()?);
    let facts = Facts::new(catalog, bucket, directory.path().join("scratch"));
    axum::serve(listener, router(Dashboard::new(settings, facts))).await?;
    Ok(())
}

async fn store(
    catalog: &Catalog,
    bucket: &Bucket,
    crash: &Crash,
    users: &epitaph_secrets::Secret,
) -> Result<(), Box<dyn std::error::Error>> {
    let packed = zstd::encode_all(serde_json::to_vec(crash)?.as_slice(), 3)?;
    bucket.put(&Key::document(crash.project, crash.id, "1"), Bytes::from(packed)).await?;
    let new = NewCrash {
        fact: epitaph_facts::fact_of(crash, users),
        signature: crash.signature.clone(),
        title: crash.signature.text.clone(),
        attempt: "1".to_owned(),
        counted_by: None,
        lacking: None,
        client_id: crash.client_id.clone(),
        dump_digest: None,
        outcomes: Vec::new(),
    };
    catalog.record(&new).await?;
    Ok(())
}

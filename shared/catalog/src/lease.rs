//! Leases: of several instances, one does a thing at a time.

use std::time::Duration;

use epitaph_crash_model::Timestamp;

use crate::{Catalog, CatalogError, row};

const TAKE: &str = "INSERT INTO leases (name, holder, held_until) VALUES ($1, $2, $3) \
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until \
    WHERE leases.holder = excluded.holder OR leases.held_until <= $4";
const RELEASE: &str = "DELETE FROM leases WHERE name = $1 AND holder = $2";

impl Catalog {
    /// Takes a lease, or renews it: true if `holder` has it from now on for `ttl`. Who works longer renews it in time,
    /// or must expect that another has begun.
    ///
    /// Times are by this machine's clock: `ttl` should be many times what clocks may differ.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<bool, CatalogError> {
        self.lease_at(name, holder, ttl, Timestamp::now()).await
    }

    /// Gives a lease back before it ends. Fine if another has it.
    ///
    /// # Errors
    /// [`CatalogError::Unavailable`].
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<(), CatalogError> {
        let mut transaction = self.begin().await?;
        let release = sqlx::query(RELEASE).bind(row::text(name)).bind(row::text(holder));
        transaction.execute(release).await?;
        transaction.commit().await
    }

    async fn lease_at(
        &self,
        name: &str,
        holder: &str,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<bool, CatalogError> {
        let until = now.plus_millis(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX));
        let mut transaction = self.begin().await?;
        let take = sqlx::query(TAKE)
            .bind(row::text(name))
            .bind(row::text(holder))
            .bind(until.as_millis())
            .bind(now.as_millis());
        let taken = transaction.execute(take).await? == 1;
        transaction.commit().await?;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Engine, T0, catalog, on_each_engine};

    const TTL: Duration = Duration::from_secs(60);

    async fn a_lease_has_one_holder_until_it_ends(engine: Engine) {
        let (place, one) = catalog(engine).await;
        let two = place.open();
        let at = |seconds: i64| Timestamp::from_millis(T0 + seconds * 1000);
        assert!(one.lease_at("sweep", "one", TTL, at(0)).await.unwrap());
        assert!(!two.lease_at("sweep", "two", TTL, at(59)).await.unwrap());
        assert!(two.lease_at("seal", "two", TTL, at(59)).await.unwrap(), "another name is another lease");
        assert!(two.lease_at("sweep", "two", TTL, at(60)).await.unwrap());
        assert!(!one.lease_at("sweep", "one", TTL, at(61)).await.unwrap());
    }

    async fn a_holder_renews_and_gives_back_its_own_lease_only(engine: Engine) {
        let (_place, catalog) = catalog(engine).await;
        let at = |seconds: i64| Timestamp::from_millis(T0 + seconds * 1000);
        assert!(catalog.lease_at("sweep", "one", TTL, at(0)).await.unwrap());
        assert!(catalog.lease_at("sweep", "one", TTL, at(59)).await.unwrap());
        assert!(!catalog.lease_at("sweep", "two", TTL, at(118)).await.unwrap());
        catalog.release_lease("sweep", "two").await.unwrap();
        assert!(!catalog.lease_at("sweep", "two", TTL, at(118)).await.unwrap());
        catalog.release_lease("sweep", "one").await.unwrap();
        assert!(catalog.lease_at("sweep", "two", TTL, at(118)).await.unwrap());
    }

    async fn of_many_that_ask_at_once_one_gets_the_lease(engine: Engine) {
        let (place, _catalog) = catalog(engine).await;
        let mut tasks = tokio::task::JoinSet::new();
        for holder in 0..8 {
            let catalog = place.open();
            tasks.spawn(async move { catalog.lease("sweep", &holder.to_string(), TTL).await.unwrap() });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|&held| held).count(), 1);
    }

    on_each_engine! {
        a_lease_has_one_holder_until_it_ends,
        a_holder_renews_and_gives_back_its_own_lease_only,
        of_many_that_ask_at_once_one_gets_the_lease,
    }
}

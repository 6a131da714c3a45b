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
        release.execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
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
        let taken = take.execute(&mut *transaction).await?.rows_affected() == 1;
        transaction.commit().await?;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{T0, catalog};

    const TTL: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_lease_has_one_holder_until_it_ends() {
        let (place, one) = catalog().await;
        let two = place.open();
        let at = |seconds: i64| Timestamp::from_millis(T0 + seconds * 1000);
        assert!(one.lease_at("sweep", "one", TTL, at(0)).await.unwrap());
        assert!(!two.lease_at("sweep", "two", TTL, at(59)).await.unwrap());
        assert!(two.lease_at("seal", "two", TTL, at(59)).await.unwrap(), "another name is another lease");
        assert!(two.lease_at("sweep", "two", TTL, at(60)).await.unwrap());
        assert!(!one.lease_at("sweep", "one", TTL, at(61)).await.unwrap());
    }

    #[tokio::test]
    async fn a_holder_renews_and_gives_back_its_own_lease_only() {
        let (_place, catalog) = catalog().await;
        let at = |seconds: i64| Timestamp::from_millis(T0 + seconds * 1000);
        assert!(catalog.lease_at("sweep", "one", TTL, at(0)).await.unwrap());
        assert!(catalog.lease_at("sweep", "one", TTL, at(59)).await.unwrap());
        assert!(!catalog.lease_at("sweep", "two", TTL, at(118)).await.unwrap());
        catalog.release_lease("sweep", "two").await.unwrap();
        assert!(!catalog.lease_at("sweep", "two", TTL, at(118)).await.unwrap());
        catalog.release_lease("sweep", "one").await.unwrap();
        assert!(catalog.lease_at("sweep", "two", TTL, at(118)).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_that_ask_at_once_one_gets_the_lease() {
        let (place, _catalog) = catalog().await;
        let mut tasks = tokio::task::JoinSet::new();
        for holder in 0..8 {
            let catalog = place.open();
            tasks.spawn(async move { catalog.lease("sweep", &holder.to_string(), TTL).await.unwrap() });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|&held| held).count(), 1);
    }
}

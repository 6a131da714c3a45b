//! The bucket in a directory and in memory.
#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up should fail")]
#![cfg(feature = "embedded")]

mod stores;

use epitaph_bucket::Bucket;

/// Each of these as a test of its own, on each store.
macro_rules! on_every_store {
    ($($behaviour:ident)*) => {
        mod in_a_directory {
            use super::*;
            $(#[tokio::test] async fn $behaviour() {
                let directory = tempfile::tempdir().unwrap();
                let location = format!("file://{}", directory.path().join("data/bucket").display());
                stores::$behaviour(Bucket::open(&location, 0).unwrap()).await;
            })*
        }
        mod in_memory {
            use super::*;
            $(#[tokio::test] async fn $behaviour() {
                stores::$behaviour(Bucket::in_memory()).await;
            })*
        }
    };
}

on_every_store! {
    what_was_put_can_be_read_listed_and_deleted
    more_objects_than_one_answer_of_a_store_names_are_all_listed
    an_object_larger_than_the_reader_takes_is_not_read
    ranges_of_an_object_are_what_lies_there
    a_write_that_is_repeated_is_as_if_it_was_done_once
    an_upload_of_many_pieces_is_there_only_when_it_is_finished
    uploads_of_every_length_are_whole
    an_upload_that_is_given_up_leaves_nothing
}

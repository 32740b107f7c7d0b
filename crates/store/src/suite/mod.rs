//! The tests that every back end passes: [`store_suite!`](crate::store_suite) makes a test of each.
//!
//! A back end gives a [`Subject`] per test: a new store with [`BUCKETS`], whose clock is set by the test.

mod races;
mod records;
mod subject;
mod values;
mod watches;

pub use self::{
    races::*,
    records::*,
    subject::{AGED, BUCKETS, HISTORY, LOG, RECORDS, SECRETS, SMALL, Subject, TestClock},
    values::*,
    watches::*,
};

/// Makes a test of every behaviour that a back end must have.
///
/// ```ignore
/// store_suite!(async || Subject { store, time, sweep });
/// ```
#[macro_export]
macro_rules! store_suite {
    ($make:expr) => {
        $crate::store_suite! { $make;
            an_absent_key_has_no_value, a_put_is_read_back, expectations_hold_or_conflict, versions_only_grow,
            a_bucket_keeps_as_many_versions_as_it_says, a_log_keeps_all_and_is_read_by_pages, a_deleted_key_has_ended,
            an_entry_expires_on_time, an_expired_key_does_not_fall_back, a_bucket_has_an_age,
            a_list_has_whole_segments_in_byte_order, pages_are_complete_under_writes, a_full_bucket_refuses_and_is_read,
            what_is_too_large_is_refused, a_bucket_must_be_declared, a_watch_reports_what_is_there_and_what_changes,
            a_watch_reports_an_expiry, a_watch_of_one_key_reports_no_other, a_slow_watch_begins_again,
            racing_writers_have_one_winner_per_version, a_lease_has_one_holder_and_a_growing_fence,
            records_keep_members_that_they_do_not_know, a_record_is_replaced_at_the_expected_version_alone,
            a_newer_record_is_never_rewritten,
            racing_updates_are_all_in_the_record, a_large_record_is_compressed_or_divided,
            a_sealed_record_opens_in_its_place_only,
        }
    };
    ($make:expr; $($test:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                let make = $make;
                // `None`: what the back end needs is not there.
                if let Some(subject) = Option::<$crate::suite::Subject>::from(make().await) {
                    $crate::suite::$test(subject).await;
                }
            }
        )*
    };
}

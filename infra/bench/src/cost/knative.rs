//! On Knative: seconds of processors, whoever owns them.

use super::{
    Arguments, Taken, bill, line, months_kept,
    prices::{GIB_HOUR, HOURS_A_MONTH, S3_GB_MONTH, S3_READ, S3_WRITE, VCPU_HOUR},
    with_launch,
};

/// What our manifests ask for each instance, which is what a cluster must have for it.
const INSTANCE_VCPU: f64 = 0.1;
const INSTANCE_GIB: f64 = 64.0 / 1024.0;
/// Instances that are always there, counted generously: a collector that is never idle for a minute, `process`, which is
/// kept, and `maintain`.
const BUSY_INSTANCES: f64 = 3.0;
const GB: f64 = 1e9;

pub(super) fn told(arguments: &Arguments, event: &Taken, dump: &Taken) -> String {
    let kinds = [(event, arguments.events_a_month), (dump, arguments.dumps_a_month)];
    let counted = kinds.map(|(taken, a_month)| (taken, with_launch(arguments, a_month)));
    let vcpu_seconds = |cpu_ms: fn(&Taken) -> f64| {
        counted.iter().map(|(taken, count)| cpu_ms(taken) / 1e3 * count).sum::<f64>()
    };
    let sum = |each: fn(&Taken) -> f64| counted.iter().map(|(taken, count)| each(taken) * count).sum::<f64>();
    let vcpu_second = VCPU_HOUR / 3600.0;
    let collectors = vcpu_seconds(|taken| taken.collector_cpu_ms);
    let process = vcpu_seconds(|taken| taken.process_cpu_ms);
    let kept = BUSY_INSTANCES * HOURS_A_MONTH;
    let objects = sum(|taken| taken.bucket_objects);
    let reads = sum(|taken| f64::from(u8::from(taken.claim_check)));
    let bytes = sum(|taken| taken.bucket_bytes) * months_kept(arguments);
    let lines = [
        line("collectors", format!("{collectors:.0} vCPU-seconds"), collectors * vcpu_second),
        line("process", format!("{process:.0} vCPU-seconds"), process * vcpu_second),
        line(
            "instances that wait",
            format!(
                "{BUSY_INSTANCES} all the time, {INSTANCE_VCPU} vCPU and 64 MiB each, as the manifests ask"
            ),
            kept * (INSTANCE_VCPU * VCPU_HOUR + INSTANCE_GIB * GIB_HOUR),
        ),
        line("bucket, writes", format!("{:.1} million objects", objects / 1e6), objects * S3_WRITE),
        line("bucket, reads", format!("{:.1} million objects", reads / 1e6), reads * S3_READ),
        line("bucket, storage", format!("{:.1} GB", bytes / GB), bytes / GB * S3_GB_MONTH),
    ];
    let mut text = bill(
        "Knative: the month, without the cluster's own parts, its broker and its PostgreSQL",
        &lines,
        1.0,
    );
    let a_million = |taken: &Taken| (taken.collector_cpu_ms + taken.process_cpu_ms) * 1e3;
    text.push_str(&format!(
        "A million handled errors take {:.0} vCPU-seconds, of which {:.0} in the collector; a million minidumps {:.0}, of which \
         {:.0}. A processor is priced as Fargate's, {VCPU_HOUR} dollars an hour.\n",
        a_million(event),
        event.collector_cpu_ms * 1e3,
        a_million(dump),
        dump.collector_cpu_ms * 1e3,
    ));
    text
}

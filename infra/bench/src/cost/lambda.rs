//! On AWS Lambda, with SQS, S3 and PostgreSQL.

use super::{
    Arguments, Line, Taken, bill, line, months_kept,
    prices::{
        ALARM_METRIC, API_REQUEST, API_STEP, DATABASE_GB_MONTH, DATABASE_HOUR, GIB_SECOND, HOURS_A_MONTH,
        INVOCATION, LOG_GB, METRIC, MIB_OF_A_PROCESSOR, S3_GB_MONTH, S3_READ, S3_WRITE, SECRET, SQS_CALL,
        SQS_STEP,
    },
    with_launch,
};

/// What the template gives the functions, in MiB.
const COLLECTOR_MIB: f64 = 256.0;
const PROCESS_MIB: f64 = 2048.0;
const MAINTAIN_MIB: f64 = 512.0;
/// Log lines of Lambda and of the API, for a report and each of its two functions.
const LOG_BYTES: f64 = 2048.0;
/// `maintain` runs once a minute, for so many milliseconds.
const MAINTAIN_MS: f64 = 300.0;
/// Lambda asks each of two idle queues, of reports and of dead letters, with five long polls of 20 s at a time.
const EMPTY_RECEIVES: f64 = 2.0 * 5.0 * HOURS_A_MONTH * 3600.0 / 20.0;
/// Of our own, a function by outcome and by status; and of the template's alarms.
const METRICS: f64 = 20.0;
const ALARM_METRICS: f64 = 22.0;
const GB: f64 = 1e9;

/// Milliseconds that are billed: work, at the share of a processor that so much memory has, and waiting.
fn billed(cpu_ms: f64, memory_mib: f64, waits_ms: f64) -> f64 {
    (cpu_ms * (MIB_OF_A_PROCESSOR / memory_mib).max(1.0) + waits_ms).ceil()
}

fn time(milliseconds: f64, memory_mib: f64) -> f64 {
    milliseconds / 1e3 * memory_mib / 1024.0 * GIB_SECOND
}

/// What one report of a kind costs.
pub(super) fn per_report(arguments: &Arguments, taken: &Taken) -> Vec<Line> {
    // The collector puts what is large; the rest of the objects is of `process`.
    let put = f64::from(u8::from(taken.claim_check));
    let written = (taken.bucket_objects - put).max(0.0);
    let collector = billed(taken.collector_cpu_ms, COLLECTOR_MIB, arguments.sqs_ms + put * arguments.s3_ms);
    let waits = (put + written) * arguments.s3_ms + arguments.database_ms;
    let process = billed(taken.process_cpu_ms, PROCESS_MIB, waits);
    let api_steps = (taken.request_bytes / API_STEP).ceil();
    let sqs_steps = (taken.message_bytes / SQS_STEP).ceil();
    let months = months_kept(arguments);
    vec![
        line("HTTP API", format!("{api_steps} step of 512 KB"), api_steps * API_REQUEST),
        line("collector, requests", "1 invocation".into(), INVOCATION),
        line(
            "collector, time",
            format!(
                "{collector} ms of {COLLECTOR_MIB} MB: work at {:.2} of a processor, and waiting",
                COLLECTOR_MIB / MIB_OF_A_PROCESSOR
            ),
            time(collector, COLLECTOR_MIB),
        ),
        line(
            "SQS",
            format!("send, receive, delete; a message is {sqs_steps} step of 64 KB"),
            (2.0 * sqs_steps + 1.0) * SQS_CALL,
        ),
        line(
            "process, requests",
            "1 invocation, as if each came alone; a tenth where they queue".into(),
            INVOCATION,
        ),
        line("process, time", format!("{process} ms of {PROCESS_MIB} MB"), time(process, PROCESS_MIB)),
        line("S3, writes", format!("{:.1} objects", taken.bucket_objects), taken.bucket_objects * S3_WRITE),
        line("S3, reads", format!("{put} object"), put * S3_READ),
        line(
            "S3, storage",
            format!("{:.0} bytes for {months} months", taken.bucket_bytes),
            taken.bucket_bytes / GB * months * S3_GB_MONTH,
        ),
        line(
            "PostgreSQL, storage",
            format!("{:.0} bytes for {months} months, as if nothing were sealed", taken.catalog_bytes),
            taken.catalog_bytes / GB * months * DATABASE_GB_MONTH,
        ),
        line("logs", format!("{LOG_BYTES} bytes"), LOG_BYTES / GB * LOG_GB),
    ]
}

/// What costs the same with no report.
fn idle() -> Vec<Line> {
    let rounds = HOURS_A_MONTH * 60.0;
    let maintain = rounds * (time(MAINTAIN_MS, MAINTAIN_MIB) + INVOCATION);
    vec![
        line(
            "PostgreSQL",
            format!("db.t4g.small, one zone, {HOURS_A_MONTH} h"),
            DATABASE_HOUR * HOURS_A_MONTH,
        ),
        line("maintain", format!("{rounds} rounds of {MAINTAIN_MS} ms and {MAINTAIN_MIB} MB"), maintain),
        line("empty receives", format!("{EMPTY_RECEIVES:.0} calls"), EMPTY_RECEIVES * SQS_CALL),
        line("metrics", format!("{METRICS}"), METRICS * METRIC),
        line("alarms", format!("{ALARM_METRICS} metrics"), ALARM_METRICS * ALARM_METRIC),
        line("secret", "1".into(), SECRET),
    ]
}

/// The bill of a month.
pub(super) fn month(
    arguments: &Arguments,
    of_event: &[Line],
    of_dump: &[Line],
    kinds: [&Taken; 2],
) -> String {
    let counts =
        [arguments.events_a_month, arguments.dumps_a_month].map(|count| with_launch(arguments, count));
    let mut lines: Vec<Line> = Vec::new();
    for ((kind, taken), (count, per_report)) in ["handled errors", "minidumps"]
        .into_iter()
        .zip(kinds)
        .zip(counts.into_iter().zip([of_event, of_dump]))
    {
        let sum: f64 = per_report.iter().map(|line| line.dollars).sum();
        let how = format!("{:.2} million of `{}`, as above", count / 1e6, taken.payload);
        lines.push(line(kind, how, sum * count));
    }
    lines.extend(idle());
    let idle: f64 = idle().iter().map(|line| line.dollars).sum();
    let text = bill("Lambda, SQS, S3, PostgreSQL: the month", &lines, 1.0);
    format!("{text}With no report at all, {idle:.2}.\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_billed_at_the_share_of_a_processor_and_waiting_as_it_is() {
        // At a quarter of the memory that has a processor, work takes four times as long.
        assert!((billed(2.0, MIB_OF_A_PROCESSOR / 4.0, 10.0) - 18.0).abs() < 1e-9);
        // More memory does not make one thread faster.
        assert!((billed(2.0, 4096.0, 0.0) - 2.0).abs() < 1e-9);
        assert!((time(1000.0, 1024.0) - GIB_SECOND).abs() < 1e-12);
    }
}

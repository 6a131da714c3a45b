//! What things cost, in US dollars: list prices of us-east-1, without any free tier, as pages of early 2026 give them.

/// When these prices held.
pub(super) const DATE: &str = "early 2026";

/// AWS Lambda, x86.
pub(super) const GIB_SECOND: f64 = 0.000_016_666_7;
pub(super) const INVOCATION: f64 = 0.20e-6;
/// An HTTP API of API Gateway, for each 512 KB of a request.
pub(super) const API_REQUEST: f64 = 1.00e-6;
pub(super) const API_STEP: f64 = 512.0 * 1024.0;
/// SQS, for each 64 KB of a call.
pub(super) const SQS_CALL: f64 = 0.40e-6;
pub(super) const SQS_STEP: f64 = 64.0 * 1024.0;
/// S3 Standard.
pub(super) const S3_WRITE: f64 = 5.00e-6;
pub(super) const S3_READ: f64 = 0.40e-6;
pub(super) const S3_GB_MONTH: f64 = 0.023;
/// RDS for PostgreSQL, db.t4g.small in one zone, and its gp3 storage.
pub(super) const DATABASE_HOUR: f64 = 0.032;
pub(super) const DATABASE_GB_MONTH: f64 = 0.115;
/// CloudWatch.
pub(super) const LOG_GB: f64 = 0.50;
pub(super) const METRIC: f64 = 0.30;
pub(super) const ALARM_METRIC: f64 = 0.10;
pub(super) const SECRET: f64 = 0.40;
/// Fargate, as the price of a processor and of memory under Kubernetes.
pub(super) const VCPU_HOUR: f64 = 0.040_48;
pub(super) const GIB_HOUR: f64 = 0.004_445;

pub(super) const HOURS_A_MONTH: f64 = 730.0;
/// Memory of a function on Lambda that has one processor.
pub(super) const MIB_OF_A_PROCESSOR: f64 = 1769.0;

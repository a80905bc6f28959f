//! retain: rolling loyalty and churn signals for every customer, from Kafka to ClickHouse, exactly once.

pub mod signal;

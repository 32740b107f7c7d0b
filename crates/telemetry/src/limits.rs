use anyport_protocol::limits;

limits! {
    /// The limits of telemetry.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct TelemetryLimits {
        /// The number of spans that wait for the collector.
        #[default(2_048)]
        #[limit(Count "telemetry_queue", beyond = "the span is dropped")]
        pub queue: usize,
        /// The number of series of the durations of calls: of methods, tools, prompts and kinds of errors.
        #[default(2_000)]
        #[limit(Count "telemetry_series", beyond = "counted in one further series, `otel.metric.overflow`")]
        pub series: usize,
    }
}

//! Figures as Prometheus reads them: its text format, version 0.0.4.

use core::fmt;

use kew_model::figures::{Figure, Reading, Sort};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// The content type of [`text`].
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The figures as text.
pub(crate) fn text(figures: Vec<Figure>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Read(figures)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry)?;
    Ok(text)
}

/// Figures that were read.
#[derive(Debug)]
struct Read(Vec<Figure>);

impl Collector for Read {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Figure { name, help, sort, samples } in &self.0 {
            let sort = match sort {
                Sort::Counter => MetricType::Counter,
                Sort::Gauge => MetricType::Gauge,
                Sort::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(name, help, None, sort)?;
            for sample in samples {
                if sample.labels.is_empty() {
                    encode(&mut metric, sort, &sample.reading)?;
                } else {
                    encode(&mut metric.encode_family(&sample.labels)?, sort, &sample.reading)?;
                }
            }
        }
        Ok(())
    }
}

fn encode(metric: &mut MetricEncoder<'_>, sort: MetricType, reading: &Reading) -> fmt::Result {
    match reading {
        Reading::Number(value) if matches!(sort, MetricType::Counter) => {
            metric.encode_counter::<NoLabelSet, _, f64>(value, None)
        }
        Reading::Number(value) => metric.encode_gauge(value),
        Reading::Spread(spread) => {
            let count = spread.buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(spread.sum, count, &spread.buckets, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use kew_model::figures::{Spread, number};

    use super::*;

    #[test]
    fn each_sort_has_its_form_and_labels_are_escaped() {
        let spread = Spread { sum: 0.5, buckets: vec![(0.1, 2), (f64::INFINITY, 1)] };
        let figures = vec![
            Figure::counter("kew_things", "Things", 3),
            Figure::new("kew_depth", "Depth", Sort::Gauge).with([("queue", "a\"\\\nb")], number(7)),
            Figure::histogram("kew_time_seconds", "Time", spread),
        ];
        let expected = "\
# HELP kew_things_total Things
# TYPE kew_things_total counter
kew_things_total 3.0
# HELP kew_depth Depth
# TYPE kew_depth gauge
kew_depth{queue=\"a\\\"\\\\\\nb\"} 7.0
# HELP kew_time_seconds Time
# TYPE kew_time_seconds histogram
kew_time_seconds_bucket{le=\"0.1\"} 2
kew_time_seconds_bucket{le=\"+Inf\"} 3
kew_time_seconds_sum 0.5
kew_time_seconds_count 3
";
        assert_eq!(text(figures).unwrap(), expected);
    }
}

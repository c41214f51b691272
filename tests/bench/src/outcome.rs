//! What a benchmark gives.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One figure beside the value.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The most that it may be, where it is part of the target.
    pub(crate) at_most: Option<f64>,
}

/// A value with its target, and the figures it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) value: f64,
    /// The most that it may be.
    pub(crate) target: f64,
    pub(crate) unit: &'static str,
    pub(crate) figures: Vec<Figure>,
}

/// A figure that explains.
pub(crate) const fn figure(name: &'static str, value: f64, unit: &'static str) -> Figure {
    Figure {
        name,
        value,
        unit,
        at_most: None,
    }
}

impl Figure {
    /// The same as a part of the target.
    pub(crate) const fn at_most(mut self, most: f64) -> Self {
        self.at_most = Some(most);
        self
    }

    fn met(&self) -> bool {
        self.at_most.is_none_or(|most| self.value <= most)
    }
}

impl Outcome {
    /// Whether every part of the target is met.
    pub(crate) fn met(&self) -> bool {
        self.value <= self.target && self.figures.iter().all(Figure::met)
    }

    /// For people.
    pub(crate) fn told(&self, name: &str) -> String {
        let word = if self.met() { "met" } else { "NOT met" };
        let mut text = format!(
            "{name:<4} {} {}  (target: at most {})  {word}",
            rounded(self.value),
            self.unit,
            self.target
        );
        for figure in &self.figures {
            let most = figure
                .at_most
                .map_or_else(String::new, |most| format!("  (target: at most {most})"));
            let value = rounded(figure.value);
            let _ = write!(
                text,
                "\n     {:<44} {value} {}{most}",
                figure.name, figure.unit
            );
        }
        text
    }

    /// For programs.
    pub(crate) fn to_json(&self) -> Value {
        let figures: serde_json::Map<String, Value> = self
            .figures
            .iter()
            .map(|figure| {
                let mut value = json!({ "value": rounded(figure.value), "unit": figure.unit });
                if let (Some(most), Some(object)) = (figure.at_most, value.as_object_mut()) {
                    object.insert("target".to_owned(), json!(most));
                    object.insert("met".to_owned(), json!(figure.met()));
                }
                (figure.name.to_owned(), value)
            })
            .collect();
        json!({
            "value": rounded(self.value),
            "target": self.target,
            "met": self.met(),
            "unit": self.unit,
            "figures": figures,
        })
    }
}

/// Three digits behind the point: more would only look exact.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The value below which this share of `values` lies (nearest rank); 0 of none.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = f64::from(u32::try_from(sorted.len()).unwrap_or(u32::MAX));
    let rank = (count * share).ceil().max(1.0);
    sorted
        .into_iter()
        .zip(1_u32..)
        .take_while(|(_, place)| f64::from(*place) <= rank)
        .last()
        .map_or(0.0, |(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert!((quantile(&values, 0.5) - 3.0).abs() < f64::EPSILON);
        assert!((quantile(&values, 0.99) - 5.0).abs() < f64::EPSILON);
        assert!((quantile(&values, 0.0) - 1.0).abs() < f64::EPSILON);
        assert!(quantile(&[], 0.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_target_is_met_only_with_all_its_parts() {
        let outcome = |value, part| Outcome {
            value,
            target: 1.25,
            unit: "x crypto",
            figures: vec![figure("part", part, "ms").at_most(50.0)],
        };
        assert!(outcome(1.25, 50.0).met());
        assert!(!outcome(1.26, 50.0).met());
        assert!(!outcome(1.25, 50.1).met());
        assert_eq!(outcome(1.3104, 1.0).to_json()["value"], json!(1.31));
        assert_eq!(outcome(1.3104, 1.0).to_json()["met"], json!(false));
    }
}

//! The words of a verdict: class, weight, confidence, and the reason that carries them. Knows no rule and no packet.

use crate::frame::FrameRef;
use serde::Serialize;
use std::fmt;

/// What a service is taken for. In the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Suspicious,
    LegacyRpc,
    Custom,
}

impl Class {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Class::Suspicious => "suspicious",
            Class::LegacyRpc => "legacy-rpc",
            Class::Custom => "custom",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much a reason counts, in points that add up within a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Weight(pub u16);

impl Weight {
    /// Said for the reader; decides nothing.
    pub const NOTE: Weight = Weight(0);
    /// Fits many harmless things too: a known protocol on a port not its own.
    pub const HINT: Weight = Weight(10);
    /// Rare among harmless things; one alone makes a weak verdict.
    pub const MODERATE: Weight = Weight(30);
    /// Hard to see by chance; one alone makes a probable verdict.
    pub const STRONG: Weight = Weight(60);
    /// Not seen by chance; one alone makes a certain verdict.
    pub const DECISIVE: Weight = Weight(100);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    Weak,
    Probable,
    Certain,
}

impl Confidence {
    /// The confidence that a class's points give it; none under [`Weight::MODERATE`].
    #[must_use]
    pub const fn of(points: u32) -> Option<Confidence> {
        if points >= Weight::DECISIVE.0 as u32 {
            Some(Confidence::Certain)
        } else if points >= Weight::STRONG.0 as u32 {
            Some(Confidence::Probable)
        } else if points >= Weight::MODERATE.0 as u32 {
            Some(Confidence::Weak)
        } else {
            None
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Confidence::Weak => "weak",
            Confidence::Probable => "probable",
            Confidence::Certain => "certain",
        }
    }
}

/// One reason of a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// The signature or rule that speaks; `gapwatch explain` knows it.
    pub by: &'static str,
    /// The class it speaks for.
    pub class: Class,
    pub weight: Weight,
    /// In words, with the measured value. May quote bytes from packets: outputs escape it.
    pub says: String,
    /// Where to look; the first few frames.
    pub frames: Vec<FrameRef>,
    /// A MITRE ATT&CK technique, where one fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attack: Option<&'static str>,
}

/// The class on top of its reasons, the heaviest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub class: Class,
    pub confidence: Confidence,
    pub evidence: Vec<Evidence>,
}

impl Verdict {
    /// Adds up the points of each class and picks one:
    ///
    /// 1. a *strong* or *decisive* reason for suspicious wins: not even verified RPC outweighs a shell or an executable;
    /// 2. otherwise legacy-rpc, from 30 points up;
    /// 3. otherwise suspicious, from 30 points up, which smaller reasons may reach together;
    /// 4. otherwise custom. It is certain when a *decisive* reason says what it is, probable when a *strong* one does,
    ///    and weak when nothing is known.
    #[must_use]
    pub fn from_evidence(mut evidence: Vec<Evidence>) -> Self {
        evidence.sort_by(|a, b| {
            (b.weight, a.class, a.by, &a.says, &a.frames).cmp(&(a.weight, b.class, b.by, &b.says, &b.frames))
        });
        let points = |class| -> u32 {
            evidence.iter().filter(|reason| reason.class == class).map(|reason| u32::from(reason.weight.0)).sum()
        };
        let severe = evidence.iter().any(|reason| reason.class == Class::Suspicious && reason.weight >= Weight::STRONG);
        let suspicious = Confidence::of(points(Class::Suspicious));
        let rpc = Confidence::of(points(Class::LegacyRpc));
        let (class, confidence) = match (suspicious, rpc) {
            (Some(confidence), _) if severe => (Class::Suspicious, confidence),
            (_, Some(confidence)) => (Class::LegacyRpc, confidence),
            (Some(confidence), None) => (Class::Suspicious, confidence),
            (None, None) => (Class::Custom, Confidence::of(points(Class::Custom)).unwrap_or(Confidence::Weak)),
        };
        // The reasons for the verdict come before the others.
        evidence.sort_by_key(|reason| reason.class != class);
        Verdict { class, confidence, evidence }
    }

    /// The points that its own class gathered.
    #[must_use]
    pub fn points(&self) -> u32 {
        self.evidence.iter().filter(|e| e.class == self.class).map(|e| u32::from(e.weight.0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(class: Class, weight: Weight) -> Evidence {
        Evidence { by: "test", class, weight, says: String::new(), frames: Vec::new(), attack: None }
    }

    #[test]
    fn verified_rpc_outweighs_hints_but_not_a_shell() {
        let rpc = reason(Class::LegacyRpc, Weight::DECISIVE);
        let hint = reason(Class::Suspicious, Weight::MODERATE);
        let shell = reason(Class::Suspicious, Weight::STRONG);
        let class = |evidence: &[&Evidence]| {
            Verdict::from_evidence(evidence.iter().map(|&reason| reason.clone()).collect()).class
        };
        assert_eq!(class(&[&rpc, &hint, &hint, &hint, &hint]), Class::LegacyRpc);
        assert_eq!(class(&[&rpc, &shell]), Class::Suspicious);
        assert_eq!(class(&[&hint]), Class::Suspicious);
        assert_eq!(class(&[&reason(Class::Suspicious, Weight::HINT)]), Class::Custom);
    }

    #[test]
    fn small_reasons_add_up() {
        let hint = reason(Class::Suspicious, Weight::HINT);
        let verdict = Verdict::from_evidence(vec![hint.clone(), hint.clone(), hint]);
        assert_eq!((verdict.class, verdict.confidence), (Class::Suspicious, Confidence::Weak));
    }
}

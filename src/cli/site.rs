//! What the site brings along: its policy, its signatures, an earlier report. Finds and reads the files.

use super::files::Kept;
use crate::baseline::Baseline;
use crate::judge::Options;
use crate::policy::Policy;
use crate::registry::Registry;
use crate::registry::program;
use crate::report::{Input, PolicyNote, Report, report_with};
use crate::rule;
use crate::saved::Saved;
use crate::signature;
use crate::signature::pattern;
use crate::signature::protocol::Catalogue;
use crate::table::FlowTable;
use anyhow::{Context as _, bail};
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};

/// The flag that names the policy.
#[derive(Args, Clone, Debug)]
pub struct PolicyArg {
    /// The site's own word: services it knows and evidence it allows (TOML). Without the flag
    /// `$XDG_CONFIG_HOME/gapwatch/policy.toml` or `/etc/gapwatch/policy.toml`, where one exists; `none` for none
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// The flags that name what the site knows.
#[derive(Args, Clone, Debug)]
pub struct Knowledge {
    #[command(flatten)]
    named: PolicyArg,
    /// Signatures of your own, written as those in src/signature/pattern.toml. Repeatable
    #[arg(long, value_name = "FILE")]
    signatures: Vec<PathBuf>,
}

/// The flags that name them all.
#[derive(Args, Clone, Debug)]
pub struct Site {
    #[command(flatten)]
    pub knowledge: Knowledge,
    /// An earlier JSON report: what is new since then is marked
    #[arg(long, value_name = "REPORT")]
    baseline: Option<PathBuf>,
}

impl PolicyArg {
    /// The policy's file: the one named, or the one that lies where policies are looked for.
    fn file(&self) -> Option<PathBuf> {
        match &self.policy {
            Some(path) if path.as_os_str() == "none" => None,
            Some(path) => Some(path.clone()),
            None => places().into_iter().find(|path| path.exists()),
        }
    }

    /// The policy, where there is one.
    pub fn read(&self, catalogue: Option<&Catalogue>) -> anyhow::Result<Option<(PathBuf, Policy)>> {
        let Some(path) = self.file() else { return Ok(None) };
        read_policy(&path, catalogue).map(|policy| Some((path, policy)))
    }
}

/// What the site knows, read from its files.
pub struct Known {
    /// Where the user has signatures of his own.
    catalogue: Option<Catalogue>,
    policy: Option<(PathBuf, Policy)>,
}

impl Known {
    /// Whether the protocols of the house are all that is known: then they are compiled when they are needed first.
    pub fn is_built_in(&self) -> bool {
        self.catalogue.is_none()
    }

    /// The policy's file, which may be one that nobody named.
    #[cfg(all(feature = "live", unix))]
    pub fn policy_file(&self) -> Option<PathBuf> {
        self.policy.as_ref().map(|(path, _)| path.clone())
    }

    /// Judges a settled table by what is known, and says what the policy did.
    pub fn report(
        &self,
        table: &FlowTable,
        inputs: Vec<Input>,
        registry: &Registry,
        show_secrets: bool,
        community_id_seed: u16,
    ) -> Report {
        let catalogue = self.catalogue.as_ref().unwrap_or_else(|| pattern::built_in());
        let policy = self.policy.as_ref().map(|(_, policy)| policy);
        let options = Options { show_secrets, catalogue, policy, community_id_seed };
        let mut report = report_with(table, inputs, registry, options);
        report.policy =
            self.policy.as_ref().map(|(path, _)| PolicyNote::of(path.display().to_string(), &report.findings));
        report
    }
}

impl Knowledge {
    /// Reads the files.
    pub fn read(&self) -> anyhow::Result<Known> {
        let catalogue = self.catalogue()?;
        let policy = self.named.read(catalogue.as_ref())?;
        Ok(Known { catalogue, policy })
    }

    /// The protocols of the house with the user's own.
    fn catalogue(&self) -> anyhow::Result<Option<Catalogue>> {
        if self.signatures.is_empty() {
            return Ok(None);
        }
        let mut texts = Vec::new();
        for path in &self.signatures {
            let text = fs::read_to_string(path).with_context(|| format!("signatures {}", path.display()))?;
            // Each by itself first, so that an error names its file.
            pattern::catalogue(&[&text]).with_context(|| format!("signatures {}", path.display()))?;
            let own = pattern::read(&text).unwrap_or_default();
            if let Some(taken) = own.iter().find(|own| rule::ALL.iter().any(|rule| rule.id == own.label.id)) {
                bail!("signatures {}: the id `{}` is that of a rule", path.display(), taken.label.id);
            }
            texts.push(text);
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(Some(pattern::catalogue(&texts).context("signatures, all files together")?))
    }

    /// The files that were named.
    #[cfg(all(feature = "live", unix))]
    pub fn files(&self) -> Vec<PathBuf> {
        self.named.policy.iter().chain(&self.signatures).cloned().collect()
    }

    /// Keeps the files that were read from being written over, the policy that nobody named among them.
    pub fn keep(&self, kept: &mut Kept) {
        self.named.file().iter().for_each(|path| kept.read(path, "the policy"));
        self.signatures.iter().for_each(|path| kept.read(path, "which has signatures"));
    }
}

impl Site {
    /// Keeps the files that were read from being written over.
    pub fn keep(&self, kept: &mut Kept) {
        self.knowledge.keep(kept);
        self.baseline.iter().for_each(|path| kept.read(path, "the baseline"));
    }

    pub fn baseline(&self) -> anyhow::Result<Option<Baseline>> {
        let Some(path) = &self.baseline else { return Ok(None) };
        let saved = read_report(path).with_context(|| format!("baseline {}", path.display()))?;
        match Baseline::of(saved) {
            Ok(baseline) => Ok(Some(baseline)),
            Err(wrong) => bail!("baseline {}: {wrong}", path.display()),
        }
    }
}

/// Where policies are looked for (XDG Base Directory Specification, and the machine's own).
fn places() -> Vec<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|path| Path::new(path).is_absolute()).map(PathBuf::from);
    let own = config.or_else(home).map(|folder| folder.join("gapwatch/policy.toml"));
    own.into_iter().chain([PathBuf::from("/etc/gapwatch/policy.toml")]).collect()
}

/// Reads a policy; an id that no evidence has is an error as well, because it would quiet nothing.
/// So is a protocol that no signature has.
pub fn read_policy(path: &Path, catalogue: Option<&Catalogue>) -> anyhow::Result<Policy> {
    let catalogue = catalogue.unwrap_or_else(|| pattern::built_in());
    let text = fs::read_to_string(path).with_context(|| format!("policy {}", path.display()))?;
    let policy = Policy::read(&text).with_context(|| format!("policy {}", path.display()))?;
    for (allowed, number) in policy.allowed.iter().zip(1..) {
        if let Some(id) = allowed.evidence.iter().find(|id| !is_known(id, catalogue)) {
            bail!(
                "policy {}: [[allow]] {number}: no evidence has the id “{id}”; `gapwatch explain all` lists them",
                path.display()
            );
        }
    }
    let programs = || program::all().map(|program| program.name);
    let protocols = || catalogue.protocols().iter().map(|protocol| protocol.label.protocol);
    let others = || signature::ALL.iter().map(|signature| signature.protocol).chain(["onc-rpc"]);
    for (known, number) in policy.services.iter().zip(1..).filter(|(known, _)| !known.protocol.is_empty()) {
        let wanted = known.protocol.as_str();
        if !protocols().chain(others()).chain(programs()).any(|name| name == wanted) {
            let near = protocols().chain(others()).chain(programs()).find(|name| name.eq_ignore_ascii_case(wanted));
            let near = near.map_or_else(String::new, |name| format!("; {name} is meant, perhaps"));
            bail!(
                "policy {}: [[service]] {number}: no protocol and no RPC program is called “{wanted}”{near}",
                path.display()
            );
        }
    }
    Ok(policy)
}

fn is_known(id: &str, catalogue: &Catalogue) -> bool {
    rule::ALL.iter().any(|rule| rule.id == id)
        || signature::ALL.iter().any(|signature| signature.id == id)
        || catalogue.protocols().iter().any(|protocol| protocol.label.id == id)
}

/// Reads what is compared of a report.
pub fn read_report(path: &Path) -> anyhow::Result<Saved> {
    let text = fs::read(path)?;
    serde_json::from_slice(&text).context("not a JSON report of gapwatch's")
}

//! What the demonstration can be asked for.

use std::path::PathBuf;

use clap::{Args, Parser};

/// The lab: the whole story on one machine.
#[derive(Debug, Parser)]
#[command(name = "wardkey-lab", version, max_term_width = 100)]
pub(crate) enum Arguments {
    /// Play the story: a healthcare team enrols a laptop, a member of staff plugs a security key
    /// and the picture opens, a security officer stops the lost laptop and it closes.
    ///
    /// Afterwards it stays up with a small prompt, so that you can try what you like. Everything
    /// runs on this machine, on virtual hardware, in a folder that is removed at the end.
    Demo(Demo),
    /// The story itself, in a given folder; `demo` starts it and cleans up after it.
    #[command(hide = true)]
    Story(Story),
    /// Measure how long a picture goes on after a stop, by every way that a stop can take, on
    /// networks that are broken for it; and compare with what is promised (K1 to K8).
    ///
    /// It takes about two minutes, and root: each world is in network namespaces of its own. The
    /// exit status is 0 only if every bound was held.
    Bounds(Bounds),
    /// The measuring itself, in a given folder; `bounds` starts it and cleans up after it.
    #[command(hide = true)]
    Measure(Measure),
}

/// Which bounds, and how they are told.
#[derive(Args, Clone, Debug)]
pub(crate) struct Bounds {
    /// Print one JSON document, and nothing else on standard output.
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure these only, for example `--only K2`; may be given several times.
    #[arg(long, value_name = "BOUND")]
    pub(crate) only: Vec<String>,
    /// Keep the folder with all files and logs.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Bounds {
    /// The same choices as words for the measuring's own command line.
    pub(crate) fn words(&self) -> Vec<String> {
        let json = self.json.then(|| "--json".to_owned());
        let only = self
            .only
            .iter()
            .flat_map(|name| ["--only".to_owned(), name.clone()]);
        json.into_iter().chain(only).collect()
    }
}

/// What is measured, and where.
#[derive(Args, Clone, Debug)]
pub(crate) struct Measure {
    #[command(flatten)]
    pub(crate) bounds: Bounds,
    /// Where everything lives.
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

/// How the story is told.
#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {
    /// End after the story instead of staying up.
    #[arg(long)]
    pub(crate) script: bool,
    /// Print one JSON document at the end, and nothing else on standard output. Ends after the
    /// story.
    #[arg(long)]
    pub(crate) json: bool,
    /// Keep the folder with all files and logs.
    #[arg(long)]
    pub(crate) keep: bool,
}

impl Demo {
    /// The same choices as words for the story's own command line.
    pub(crate) fn words(&self) -> Vec<String> {
        [
            (self.script, "--script"),
            (self.json, "--json"),
            (self.keep, "--keep"),
        ]
        .into_iter()
        .filter(|(chosen, _)| *chosen)
        .map(|(_, word)| word.to_owned())
        .collect()
    }
}

/// The story, and where it is played.
#[derive(Args, Clone, Debug)]
pub(crate) struct Story {
    #[command(flatten)]
    pub(crate) demo: Demo,
    /// Where everything lives.
    #[arg(long)]
    pub(crate) folder: PathBuf,
}

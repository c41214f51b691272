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
    pub(crate) fn words(&self) -> Vec<&'static str> {
        [
            (self.script, "--script"),
            (self.json, "--json"),
            (self.keep, "--keep"),
        ]
        .into_iter()
        .filter_map(|(chosen, word)| chosen.then_some(word))
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

//! Everything, one after another, and RESULTS.md of it.

mod aims;

use crate::{cold_start, cost, drain, error::BenchError, load, place::Place, soak, surge};

/// The text about changes that were measured, kept by hand: the programs of before are gone.
const KEPT: &str = "OPTIMISATIONS.md";
const RESULTS: &str = "RESULTS.md";

#[derive(clap::Args, Clone)]
pub(crate) struct Arguments {
    /// Only joins the sections of the last runs.
    #[arg(long)]
    join: bool,
    /// Leaves these benches out; their sections are those of their last runs.
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
}

/// A bench with its usual arguments.
type Run = fn(&Place) -> Result<String, BenchError>;

/// The benches in their order.
const BENCHES: [(&str, Run); 6] = [
    (cold_start::NAME, |place| cold_start::run(&usual(), place)),
    (load::NAME, |place| load::run(&usual(), place)),
    (soak::NAME, |place| soak::run(&usual(), place)),
    (surge::NAME, |place| surge::run(&usual(), place)),
    (drain::NAME, |place| drain::run(&usual(), place)),
    (cost::NAME, |place| cost::run(&usual(), place)),
];

/// The arguments of a bench that is given none.
fn usual<A: clap::Args + clap::FromArgMatches>() -> A {
    let command = A::augment_args(clap::Command::new("bench"));
    let matches = command.get_matches_from(["bench"]);
    A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

pub(crate) fn run(arguments: &Arguments, place: &Place) -> Result<String, BenchError> {
    for (name, run) in BENCHES {
        if !arguments.join && !arguments.without.iter().any(|without| without == name) {
            eprintln!("{name}");
            run(place)?;
        }
    }
    let mut text = String::from(
        "# Results\n\n\
         Written by `cargo run --release -p epitaph-bench -- all`; see [README.md](README.md) for how to run it and for what each \
         bench does.\n\n\
         Limits of all of it: one machine with few cores, which client and server share, on a virtual disk; engines beyond the \
         machine are stand-ins that answer at once, so the time of a network is not in it. Ratios hold better than figures: \
         what is compared ran in turn, in the same run.\n\n",
    );
    text.push_str(&aims::told(&place.results)?);
    for (name, _) in BENCHES {
        if let Some(section) = place.results.section(name) {
            text.push_str(section.trim_end());
            text.push_str("\n\n");
        }
    }
    if let Some(kept) = place.results.kept_by_hand(KEPT) {
        text.push_str(kept.trim_end());
        text.push('\n');
    }
    place.results.write(RESULTS, &text)?;
    Ok(text)
}

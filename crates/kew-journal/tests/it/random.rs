//! Random lives and deaths of a journal, many of them.
//!
//! Each world draws its own habits: sizes that are fixed or vary, how often it commits, prepares, marks,
//! checkpoints. Fixed sizes matter: only then do the frames of a former life line up with those of the next.

use kew_journal::{Loss, Options, SimDisk};

use crate::counted;
use crate::world::{Ledger, Op, World};

/// Dice for the tests: a xorshift generator.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// What a world is inclined to do.
struct Habits {
    fixed_bytes: Option<u64>,
    bytes_max: u64,
    weights: [u64; 8],
}

impl Habits {
    fn draw(dice: &mut Dice) -> Self {
        let bytes_max = [16, 600, 3000, 30_000, 70_000][dice.below(5) as usize];
        Self {
            fixed_bytes: (dice.below(2) == 0).then(|| dice.below(bytes_max)),
            bytes_max,
            weights: [12, 6, 3, 2, 1, 1, 4, 1].map(|weight| dice.below(2 * weight + 1)),
        }
    }

    fn next(&self, dice: &mut Dice) -> Op {
        let bytes = self.fixed_bytes.unwrap_or_else(|| dice.below(self.bytes_max)) as usize;
        let mut roll = dice.below(self.weights.iter().sum::<u64>() + 1);
        let choice = self.weights.iter().position(|&weight| {
            let hit = roll < weight;
            roll = roll.saturating_sub(weight);
            hit
        });
        match choice {
            Some(1) => Op::Commit,
            Some(2) if dice.below(2) == 0 => Op::CommitTwo(bytes),
            Some(2) => Op::CommitCrossed(bytes),
            Some(3) => Op::Mark,
            Some(4) => Op::Checkpoint,
            Some(5) => Op::Retire { keep: dice.below(3) as usize + 1 },
            Some(6) => Op::Prepare,
            Some(7) => Op::Reopen,
            _ => Op::Stage(bytes),
        }
    }
}

/// Runs a world through `lives` lives, each ended by a crash, and says how many crashes there were.
pub(crate) fn live_and_die(seed: u64, lives: u64, options: &Options) -> Result<u64, String> {
    let mut dice = Dice::new(seed);
    let habits = Habits::draw(&mut dice);
    let mut world = World::new(SimDisk::new(seed), options.clone(), Ledger::default());
    for life in 0..lives {
        let last_step = world.disk.steps() + 1 + dice.below(60);
        world.disk.stop_at(last_step);
        let mut done = world.open().map(drop);
        for _ in 0..40 {
            if done.is_err() {
                break;
            }
            done = world.run(habits.next(&mut dice));
        }
        if let Err(end) = done
            && !end.is_excused_by(&world.disk)
        {
            return Err(format!("seed {seed}, life {life}: {end}"));
        }
        match dice.below(6) {
            0 => world.disk.kill(),
            1 => world.disk.power_cut(Loss::Everything),
            2 => world.disk.power_cut(Loss::Torn),
            _ => world.disk.power_cut(Loss::Random),
        }
    }
    match world.open() {
        Ok(_) => Ok(lives),
        Err(end) => Err(format!("seed {seed}, at the end: {end}")),
    }
}

/// How many worlds a plain test run goes through, eight crashes each.
const WORLDS: u64 = 6_250;

/// `KEW_JOURNAL_WORLDS=FIRST..LAST` takes other seeds, for longer runs and for repeating a single one.
fn seeds() -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("KEW_JOURNAL_WORLDS") else { return 1..1 + WORLDS };
    let (first, last) = text.split_once("..").expect("KEW_JOURNAL_WORLDS is FIRST..LAST");
    first.parse().unwrap()..last.parse().unwrap()
}

#[test]
fn nothing_promised_is_lost_in_random_lives() {
    let seeds = seeds();
    let worlds = seeds.end - seeds.start;
    let crashes: u64 = seeds
        .map(|seed| live_and_die(seed, 8, &crate::world::options()).unwrap_or_else(|text| panic!("{text}")))
        .sum();
    assert_eq!(crashes, 8 * worlds);
    counted(crashes, "crashes of the simulated disk: the log, at random");
}

//! The part of a long list that is here: windows of [`STUDIES_A_PAGE`] rows, and which rows a scrolled box shows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use domain::{Page, StudyRow, StudyUid};

use crate::query::STUDIES_A_PAGE;

const A_WINDOW: usize = STUDIES_A_PAGE as usize;
/// Rows drawn above and below what can be seen, so that a quick turn of the wheel meets rows.
const BEYOND: usize = 12;
/// Browsers draw boxes wrongly that are much higher than this, in pixels.
const HIGHEST: f64 = 12_000_000.0;

/// A row and the edition of its content, so that what has changed is drawn anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub row: StudyRow,
    pub edition: u32,
}

/// Rows by their place in the whole list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windows {
    total: usize,
    windows: BTreeMap<u32, Vec<Kept>>,
}

/// No two contents share an edition, in whichever list they stand: a drawn row is kept while its edition is the same.
fn kept(old: Option<&Kept>, row: StudyRow) -> Kept {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    match old {
        Some(old) if old.row == row => old.clone(),
        _ => Kept {
            row,
            edition: NEXT.fetch_add(1, Ordering::Relaxed),
        },
    }
}

/// The window that holds a row.
pub fn window_of(index: usize) -> u32 {
    u32::try_from(index / A_WINDOW).unwrap_or(u32::MAX)
}

/// The place of a window's first row.
pub fn start_of(number: u32) -> usize {
    number as usize * A_WINDOW
}

impl Windows {
    pub fn new(number: u32, page: Page<StudyRow>) -> Self {
        let mut windows = Self::default();
        windows.put(number, page);
        windows
    }

    /// Studies in the whole list.
    pub fn total(&self) -> usize {
        self.total
    }

    pub fn get(&self, index: usize) -> Option<&Kept> {
        self.windows.get(&window_of(index))?.get(index % A_WINDOW)
    }

    pub fn has(&self, number: u32) -> bool {
        self.windows.contains_key(&number)
    }

    /// The place of a study among the rows that are here.
    pub fn position(&self, study: &StudyUid) -> Option<usize> {
        self.windows.iter().find_map(|(number, rows)| {
            let place = rows.iter().position(|kept| kept.row.study_uid == *study)?;
            Some(start_of(*number) + place)
        })
    }

    /// Whether a newer window holds the same studies in the same order.
    pub fn same_order(&self, number: u32, page: &Page<StudyRow>) -> bool {
        self.windows.get(&number).is_some_and(|rows| {
            let old = rows.iter().map(|kept| &kept.row.study_uid);
            old.eq(page.rows.iter().map(|row| &row.study_uid))
        })
    }

    /// Takes a window as the server has it now.
    pub fn put(&mut self, number: u32, page: Page<StudyRow>) {
        self.total = usize::try_from(page.total).unwrap_or(usize::MAX);
        let old = self.windows.remove(&number).unwrap_or_default();
        let find = |row: &StudyRow| old.iter().find(|kept| kept.row.study_uid == row.study_uid);
        let rows = page
            .rows
            .into_iter()
            .map(|row| {
                let old = find(&row);
                kept(old, row)
            })
            .collect();
        self.windows.insert(number, rows);
    }

    /// Takes what a newer window says of the rows that are here, and leaves these where they are.
    pub fn refresh(&mut self, page: &Page<StudyRow>) {
        for (number, rows) in std::mem::take(&mut self.windows) {
            let rows = rows
                .into_iter()
                .map(
                    |old| match page.rows.iter().find(|new| new.study_uid == old.row.study_uid) {
                        Some(new) => kept(Some(&old), new.clone()),
                        None => old,
                    },
                )
                .collect();
            self.windows.insert(number, rows);
        }
    }

    /// Forgets the windows outside of `numbers`: they are asked for again when they come into sight.
    pub fn keep_only(&mut self, numbers: &Range<u32>) {
        self.windows.retain(|number, _| numbers.contains(number));
    }
}

/// The windows that hold these rows.
pub fn windows_of(rows: &Range<usize>) -> Range<u32> {
    if rows.is_empty() {
        return 0..0;
    }
    window_of(rows.start)..window_of(rows.end - 1) + 1
}

/// What a box can be scrolled through, in rows: all of them, unless the list would be too high to draw.
pub fn reachable(total: usize, row: f64) -> usize {
    total.min(to_count(HIGHEST / row))
}

fn to_count(number: f64) -> usize {
    number.max(0.0) as usize
}

/// The rows to draw, given the box's position and height and the height of a row.
pub fn drawn(top: f64, height: f64, row: f64, total: usize) -> Range<usize> {
    let seen = seen(top, height, row, total);
    seen.start.saturating_sub(BEYOND)..(seen.end + BEYOND).min(reachable(total, row))
}

/// The rows that can be seen, at least in part.
pub fn seen(top: f64, height: f64, row: f64, total: usize) -> Range<usize> {
    let reachable = reachable(total, row);
    let first = to_count(top / row).min(reachable);
    let last = (to_count(((top + height) / row).ceil())).clamp(first, reachable);
    first..last
}

#[cfg(test)]
mod tests {
    use domain::{PersonName, ResultSummary, SiteId, StudyState, Timestamp};

    use super::*;

    fn row(uid: &str) -> StudyRow {
        StudyRow {
            study_uid: StudyUid::from(uid),
            patient_name: PersonName::default(),
            patient_id: String::new(),
            patient_sex: String::new(),
            patient_birth_date: String::new(),
            study_date: String::new(),
            study_time: String::new(),
            accession_number: String::new(),
            description: String::new(),
            site: SiteId::from("main"),
            state: StudyState::Done,
            result: ResultSummary::Negative,
            top_score: None,
            top_side: None,
            images: 1,
            answered: false,
            received_at: Timestamp(0),
            failure: None,
        }
    }

    fn page(uids: &[&str], total: u64) -> Page<StudyRow> {
        Page {
            rows: uids.iter().map(|uid| row(uid)).collect(),
            total,
        }
    }

    #[test]
    fn rows_are_found_by_their_place_in_the_whole_list() {
        let mut windows = Windows::new(2, page(&["a", "b"], 1000));
        assert_eq!(windows.total(), 1000);
        assert_eq!(windows.get(101).map(|kept| kept.row.study_uid.as_str()), Some("b"));
        assert_eq!(windows.get(102), None);
        assert_eq!(windows.get(0), None);
        assert_eq!(windows.position(&"b".into()), Some(101));
        windows.put(0, page(&["x"], 999));
        assert_eq!((windows.total(), windows.has(0), windows.has(1)), (999, true, false));
        windows.keep_only(&(2..3));
        assert_eq!((windows.has(0), windows.has(2)), (false, true));
    }

    #[test]
    fn only_a_row_that_changed_is_drawn_anew() {
        let mut windows = Windows::new(0, page(&["a", "b", "c"], 3));
        let edition = |windows: &Windows, index| windows.get(index).map(|kept| kept.edition);
        let before: Vec<_> = (0..3).map(|index| edition(&windows, index)).collect();
        let mut newer = page(&["b", "a", "d"], 3);
        newer.rows[0].answered = true;
        assert!(!windows.same_order(0, &newer));

        // Held back: the order stays, the content does not.
        let mut held = windows.clone();
        held.refresh(&newer);
        assert!(held.same_order(0, &page(&["a", "b", "c"], 3)));
        assert!(held.get(1).is_some_and(|kept| kept.row.answered));
        assert_eq!(edition(&held, 0), before[0]);
        assert_ne!(edition(&held, 1), before[1]);

        windows.put(0, newer.clone());
        assert!(windows.same_order(0, &newer));
        assert_eq!(edition(&windows, 1), before[0], "a moved and did not change");
        assert_ne!(edition(&windows, 0), before[1]);
    }

    #[test]
    fn another_list_shares_no_edition() {
        let first = Windows::new(0, page(&["a"], 1));
        let second = Windows::new(0, page(&["b"], 1));
        assert_ne!(
            first.get(0).map(|kept| kept.edition),
            second.get(0).map(|kept| kept.edition)
        );
    }

    #[test]
    fn the_rows_in_sight_follow_the_box() {
        for (top, height, total, expect) in [
            (0.0, 320.0, 100, 0..10),
            (16.0, 320.0, 100, 0..11),
            (3200.0, 320.0, 100, 100..100),
            (3000.0, 320.0, 100, 93..100),
            (0.0, 320.0, 3, 0..3),
            (0.0, 320.0, 0, 0..0),
            (-5.0, 320.0, 100, 0..10),
        ] {
            assert_eq!(seen(top, height, 32.0, total), expect, "{top} {height} {total}");
        }
        assert_eq!(drawn(3200.0, 320.0, 32.0, 100_000), 88..122);
        assert_eq!(drawn(0.0, 320.0, 32.0, 5), 0..5);
        assert_eq!(reachable(100_000, 32.0), 100_000);
        assert_eq!(reachable(10_000_000, 32.0), 375_000);
        assert_eq!(windows_of(&(49..51)), 0..2);
        assert_eq!(windows_of(&(50..100)), 1..2);
        assert_eq!(windows_of(&(7..7)), 0..0);
    }
}

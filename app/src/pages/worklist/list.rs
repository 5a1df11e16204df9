//! The state of the list. Owner: the page, by [`List`], whose parts are signals.

use std::ops::Range;
use std::time::Duration;

use domain::{Page, StudyQuery, StudyRow, StudyUid};
use leptos::prelude::*;
use leptos::task::spawn_local;

use super::windows::{Kept, Windows, drawn, reachable, seen, start_of, window_of, windows_of};
use crate::{AppError, Desk, api, browser};

/// Changes that come within this time are asked for together.
const TOGETHER: Duration = Duration::from_millis(700);
/// A window that is only flown over is not asked for.
const FLIGHT: Duration = Duration::from_millis(80);
/// About one picture of the screen.
const FRAME: Duration = Duration::from_millis(16);
/// The height of a row, in pixels, until one is there to be measured.
const ROW: f64 = 32.0;

pub const BOX: &str = ".worklist-scroll";
const HEAD: &str = ".worklist thead";
const LINE: &str = ".worklist tbody tr";
const ABOVE: &str = ".space-above";
const BELOW: &str = ".space-below";

/// A place in the list, and its row where it is here.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    pub index: usize,
    pub kept: Option<Kept>,
}

impl Slot {
    /// What makes two slots look different.
    pub fn key(&self) -> (usize, u32) {
        (self.index, self.kept.as_ref().map_or(0, |kept| kept.edition))
    }
}

#[derive(Clone, Copy)]
pub struct List {
    /// The address's query with the search text. Its page says where the list begins.
    pub query: Memo<StudyQuery>,
    /// The query that the rows answer.
    of: RwSignal<StudyQuery>,
    pub windows: RwSignal<Windows>,
    /// The rows that are drawn.
    shown: RwSignal<Range<usize>>,
    /// The rows that can be seen, for the line that says where one is.
    pub sight: RwSignal<Range<usize>>,
    /// A newer list in another order, kept back while the pointer or the focus is in the list.
    pub held: RwSignal<Option<Windows>>,
    /// Rows that could not be loaded.
    pub trouble: RwSignal<Option<AppError>>,
    /// The windows on their way.
    loading: StoredValue<Vec<u32>>,
    /// Raised by each turn of the wheel.
    flight: StoredValue<u32>,
    /// A change is about to be asked for.
    asking: StoredValue<bool>,
    row: StoredValue<f64>,
    pub hovered: StoredValue<bool>,
    pub selected: RwSignal<Option<StudyUid>>,
    /// The place that the cursor is to take as soon as its row is drawn.
    wanted: RwSignal<Option<usize>>,
    cursor: StoredValue<Option<usize>>,
    pub may_restart: RwSignal<bool>,
    last: RwSignal<Option<StudyUid>>,
}

/// The same question from the first row on.
fn from_the_top(query: &StudyQuery) -> StudyQuery {
    StudyQuery {
        page: 0,
        ..query.clone()
    }
}

impl List {
    pub fn new(query: Memo<StudyQuery>) -> Self {
        Self {
            query,
            of: RwSignal::default(),
            windows: RwSignal::default(),
            shown: RwSignal::new(0..0),
            sight: RwSignal::new(0..0),
            held: RwSignal::new(None),
            trouble: RwSignal::new(None),
            loading: StoredValue::default(),
            flight: StoredValue::new(0),
            asking: StoredValue::new(false),
            row: StoredValue::new(ROW),
            hovered: StoredValue::new(false),
            selected: RwSignal::new(None),
            wanted: RwSignal::new(None),
            cursor: StoredValue::new(None),
            may_restart: RwSignal::new(false),
            last: expect_context::<Desk>().last,
        }
    }

    /// Begins anew with an answer's rows.
    pub fn begin(self, query: &StudyQuery, page: Page<StudyRow>) {
        let start = start_of(query.page);
        let rows = start..start + page.rows.len();
        self.of.set(from_the_top(query));
        self.windows.set(Windows::new(query.page, page));
        self.shown.set(rows.clone());
        self.sight.set(rows);
        self.held.set(None);
        self.trouble.set(None);
        self.loading.set_value(Vec::new());
        self.selected.set(None);
        self.cursor.set_value(None);
    }

    /// The rows to draw.
    pub fn slots(self) -> Vec<Slot> {
        let shown = self.shown.get();
        self.windows.with(|windows| {
            shown
                .filter(|index| *index < windows.total())
                .map(|index| Slot {
                    index,
                    kept: windows.get(index).cloned(),
                })
                .collect()
        })
    }

    /// The list's table is there: takes its measures, and goes to where the address or the study that was shown last
    /// says. A table that was made in the browser may wait a moment for its place in the page, hence the `tries`.
    pub fn appear(self, tries: u32) {
        if self.shown.try_get_untracked().is_none() {
            return;
        }
        if browser::scrolled(BOX).is_none() {
            if tries > 0 {
                set_timeout(move || self.appear(tries - 1), FRAME);
            }
            return;
        }
        if let Some(height) = browser::height_of(LINE) {
            self.row.set_value(height);
        }
        let start = self.shown.get_untracked().start;
        self.space();
        // The box may be that of the list before this one.
        browser::scroll_to(BOX, start as f64 * self.row.get_value());
        let last = self.last.get_untracked();
        if let Some(index) = last.and_then(|study| self.windows.with_untracked(|windows| windows.position(&study))) {
            self.go_to(index);
            // What came with the page may still have made the box lower.
            set_timeout(
                move || {
                    if self.cursor.try_get_value() == Some(Some(index)) {
                        self.bring(index);
                    }
                },
                FRAME * 4,
            );
        }
        self.look();
    }

    /// Takes the measures anew: narrow windows have higher rows.
    pub fn resized(self) {
        if let Some(height) = browser::height_of(LINE) {
            self.row.set_value(height);
        }
        self.space();
        self.look();
    }

    /// Keeps the room around the rows right, whenever other ones are drawn.
    pub fn follow(self) {
        self.shown.track();
        self.windows.track();
        self.space();
    }

    /// Gives the rows that are not drawn their room above and below.
    fn space(self) {
        let (row, shown) = (self.row.get_value(), self.shown.get_untracked());
        let total = reachable(self.windows.with_untracked(Windows::total), row);
        browser::set_height(ABOVE, shown.start as f64 * row);
        browser::set_height(BELOW, total.saturating_sub(shown.end) as f64 * row);
    }

    /// Draws what the box shows now.
    pub fn look(self) {
        let Some((top, height)) = browser::scrolled(BOX) else {
            return;
        };
        let (row, total) = (self.row.get_value(), self.windows.with_untracked(Windows::total));
        let head = browser::height_of(HEAD).unwrap_or_default();
        let sight = seen(top, (height - head).max(row), row, total);
        if self.sight.get_untracked() != sight {
            self.sight.set(sight);
        }
        let shown = drawn(top, height, row, total);
        if self.shown.get_untracked() != shown {
            self.shown.set(shown);
        }
        self.ask_for_missing();
    }

    fn missing(self) -> Vec<u32> {
        let loading = self.loading.get_value();
        self.windows.with_untracked(|windows| {
            windows_of(&self.shown.get_untracked())
                .filter(|number| !windows.has(*number) && !loading.contains(number))
                .collect()
        })
    }

    fn ask_for_missing(self) {
        self.flight.update_value(|flight| *flight = flight.wrapping_add(1));
        if self.missing().is_empty() {
            return;
        }
        let flight = self.flight.get_value();
        set_timeout(
            move || {
                if self.flight.try_get_value() == Some(flight) {
                    for number in self.missing() {
                        self.load(number);
                    }
                }
            },
            FLIGHT,
        );
    }

    fn load(self, number: u32) {
        self.loading.update_value(|loading| loading.push(number));
        let of = self.of.get_untracked();
        spawn_local(async move {
            let answer = api::worklist::worklist(window_query(&of, number)).await;
            if self.of.try_get_untracked().as_ref() != Some(&of) {
                return;
            }
            self.loading
                .update_value(|loading| loading.retain(|other| *other != number));
            match answer {
                Ok(page) => {
                    self.trouble.set(None);
                    self.windows.update(|windows| windows.put(number, page));
                    self.look();
                }
                Err(AppError::SignedOut) => browser::leave_for("/sign-in"),
                Err(error) => self.trouble.set(Some(error)),
            }
        });
    }

    /// Tries again to load what could not be loaded.
    pub fn try_again(self) {
        self.trouble.set(None);
        self.ask_for_missing();
    }

    /// Asks again for what is in sight, in a moment; many calls in that moment are one.
    pub fn ask_again(self) {
        if self.asking.try_get_value() != Some(false) {
            return;
        }
        self.asking.set_value(true);
        set_timeout(
            move || {
                if self.asking.try_get_value().is_none() {
                    return;
                }
                self.asking.set_value(false);
                let mut numbers = windows_of(&self.shown.get_untracked());
                if numbers.is_empty() {
                    numbers = 0..1;
                }
                // What is out of sight is asked for again when it comes into sight.
                self.windows.update(|windows| windows.keep_only(&numbers));
                let of = self.of.get_untracked();
                spawn_local(async move {
                    for number in numbers {
                        let answer = api::worklist::worklist_again(window_query(&of, number)).await;
                        if self.of.try_get_untracked().as_ref() != Some(&of) {
                            return;
                        }
                        match answer {
                            Ok(page) => self.take(number, page),
                            // Nothing of a patient stays on the screen of someone who is signed out.
                            Err(AppError::SignedOut) => browser::leave_for("/sign-in"),
                            // The rows that are here stay, and the line below says whether they are live.
                            Err(_) => {}
                        }
                    }
                });
            },
            TOGETHER,
        );
    }

    /// Shows a newer window, or keeps its order back while someone works in the list.
    fn take(self, number: u32, page: Page<StudyRow>) {
        let scrolled = browser::scrolled(BOX).is_some_and(|(top, _)| top > 0.0);
        let in_use = self.hovered.get_value() || scrolled || browser::focus_is_in(LINE);
        let same_order = self.windows.with_untracked(|windows| windows.same_order(number, &page));
        let is_held = self.held.with_untracked(Option::is_some);
        let mut windows = self.windows.get_untracked();
        if (same_order && !is_held) || !in_use || windows.total() == 0 {
            self.held.set(None);
            windows.put(number, page);
            self.renew(windows);
            self.look();
            return;
        }
        let mut held = self.held.get_untracked().unwrap_or_else(|| windows.clone());
        windows.refresh(&page);
        self.renew(windows);
        held.put(number, page);
        self.held.set(Some(held));
    }

    pub fn show_held(self) {
        if let Some(held) = self.held.get_untracked() {
            self.held.set(None);
            self.renew(held);
            self.look();
        }
    }

    /// Takes newer rows. One that changed is drawn anew, and would take the focus away with it: the study's new row gets
    /// it, and nothing scrolls.
    fn renew(self, windows: Windows) {
        let place = browser::focused_attribute(LINE, "aria-rowindex").and_then(|place| place.parse::<usize>().ok());
        // The heading is the first row, and rows count from 1.
        let old = place.and_then(|place| {
            self.windows
                .with_untracked(|old| Some(old.get(place.checked_sub(2)?)?.row.study_uid.clone()))
        });
        let new = old.and_then(|study| windows.position(&study));
        self.windows.set(windows);
        let Some(index) = new else { return };
        set_timeout(
            move || {
                if let Some((top, _)) = browser::scrolled(BOX)
                    && !browser::focus_is_in(LINE)
                {
                    browser::focus(&format!("{LINE}[aria-rowindex='{}'] .patient a", index + 2));
                    browser::scroll_to(BOX, top);
                }
            },
            Duration::ZERO,
        );
    }

    /// Moves the cursor by so many rows.
    pub fn step(self, step: isize) {
        let place = self.cursor_place();
        self.go_to(match place {
            None if step > 0 => self.sight.get_untracked().start,
            None => self.sight.get_untracked().end.saturating_sub(1),
            Some(place) => place.saturating_add_signed(step),
        });
    }

    /// Moves the cursor by what the box shows at once.
    pub fn leaf(self, direction: isize) {
        let rows = isize::try_from(self.sight.get_untracked().len()).unwrap_or(1);
        self.step(direction * (rows - 1).max(1));
    }

    fn cursor_place(self) -> Option<usize> {
        let selected = self.selected.get_untracked();
        selected
            .and_then(|study| self.windows.with_untracked(|windows| windows.position(&study)))
            .or_else(|| self.cursor.get_value())
    }

    /// Sets the cursor on a place of the whole list and brings it into sight.
    pub fn go_to(self, index: usize) {
        let row = self.row.get_value();
        let total = reachable(self.windows.with_untracked(Windows::total), row);
        let Some(last) = total.checked_sub(1) else { return };
        let index = index.min(last);
        self.cursor.set_value(Some(index));
        self.bring(index);
        self.look();
        self.wanted.set(Some(index));
    }

    /// Scrolls just far enough that a place of the list is in sight.
    fn bring(self, index: usize) {
        let Some(row) = self.row.try_get_value() else { return };
        if let Some((top, height)) = browser::scrolled(BOX) {
            let head = browser::height_of(HEAD).unwrap_or_default();
            let (y, room) = (index as f64 * row, (height - head - row).max(0.0));
            if y < top {
                browser::scroll_to(BOX, y);
            } else if y > top + room {
                browser::scroll_to(BOX, (y - room).ceil());
            }
        }
    }

    /// Gives the cursor to the row that it waits for, once that is here.
    pub fn settle(self) {
        let Some(index) = self.wanted.get() else { return };
        let study = self
            .windows
            .with(|windows| windows.get(index).map(|kept| kept.row.study_uid.clone()));
        if !self.shown.with(|shown| shown.contains(&index)) {
            return;
        }
        let Some(study) = study else { return };
        self.wanted.set(None);
        self.selected.set(Some(study));
        // The row gets its mark first. The focus makes a screen reader say it.
        set_timeout(|| browser::focus(".worklist tr.selected .patient a"), Duration::ZERO);
    }

    /// The list's address for a row: the study's page finds its neighbours by it.
    pub fn query_of(self, index: usize) -> StudyQuery {
        window_query(&self.of.get_untracked(), window_of(index))
    }
}

/// Asks for one window of the list.
fn window_query(of: &StudyQuery, number: u32) -> StudyQuery {
    StudyQuery {
        page: number,
        ..of.clone()
    }
}

//! Steps to take back and to take again.

use domain::Tool;

/// Further steps back are forgotten.
const LIMIT: usize = 100;

/// What several changes in a row must share to be one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A button: each is a step of its own.
    Command,
    /// One drag or pinch, from the first finger down to the last one up.
    Gesture(u32),
    /// Turns of the wheel with nothing between them.
    Wheel,
    /// Arrow keys of one tool with nothing between them.
    Arrows(Tool),
}

/// States before each step, and those that were taken back.
#[derive(Debug)]
pub struct History<T> {
    before: Vec<T>,
    after: Vec<T>,
    last: Option<Step>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        Self {
            before: Vec::new(),
            after: Vec::new(),
            last: None,
        }
    }
}

impl<T> History<T> {
    /// A step begins in the state `now`; one that goes on changes nothing here.
    pub fn begin(&mut self, step: Step, now: impl FnOnce() -> T) {
        if step != Step::Command && self.last == Some(step) {
            return;
        }
        self.last = Some(step);
        self.after.clear();
        if self.before.len() == LIMIT {
            self.before.remove(0);
        }
        self.before.push(now());
    }

    /// The state before the last step; `now` is kept for [`History::redo`].
    pub fn undo(&mut self, now: T) -> Option<T> {
        self.last = None;
        let state = self.before.pop()?;
        self.after.push(now);
        Some(state)
    }

    /// The state that was taken back last.
    pub fn redo(&mut self, now: T) -> Option<T> {
        self.last = None;
        let state = self.after.pop()?;
        self.before.push(now);
        Some(state)
    }

    /// Changes every state that can be taken back or taken again.
    pub fn each(&mut self, mut change: impl FnMut(&mut T)) {
        for state in self.before.iter_mut().chain(&mut self.after) {
            change(state);
        }
    }

    pub fn can_undo(&self) -> bool {
        !self.before.is_empty()
    }

    pub fn can_redo(&self) -> bool {
        !self.after.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_go_back_and_forth() {
        let mut history = History::default();
        let mut now = 0;
        for step in [
            Step::Command,
            Step::Command,
            Step::Wheel,
            Step::Wheel,
            Step::Gesture(1),
            Step::Gesture(2),
        ] {
            history.begin(step, || now);
            now += 1;
        }
        // Two turns of the wheel are one step.
        let mut seen = Vec::new();
        while let Some(state) = history.undo(now) {
            now = state;
            seen.push(now);
        }
        assert_eq!(seen, [5, 4, 2, 1, 0]);
        assert_eq!(history.redo(now), Some(1));
        assert!(history.can_redo());
        history.begin(Step::Command, || 1);
        assert!(!history.can_redo() && history.redo(9).is_none());
    }

    #[test]
    fn every_state_can_be_changed() {
        let mut history = History::default();
        for now in 0..3 {
            history.begin(Step::Command, || now);
        }
        assert_eq!(history.undo(3), Some(2));
        history.each(|state| *state += 10);
        assert_eq!(history.redo(2), Some(13));
        assert_eq!(history.undo(13), Some(2));
        assert_eq!(history.undo(2), Some(11));
    }

    #[test]
    fn old_steps_are_forgotten() {
        let mut history = History::default();
        for n in 0..2 * LIMIT {
            history.begin(Step::Command, || n);
        }
        assert_eq!(std::iter::from_fn(|| history.undo(0)).count(), LIMIT);
    }
}

//! The frames looked at last, so that going back to one costs no download.

use std::collections::VecDeque;
use std::rc::Rc;

use imaging::Frame;

/// Frames by address, the one used last in front.
#[derive(Debug)]
pub struct FrameCache {
    entries: VecDeque<(String, Rc<Frame>)>,
    /// Pixels of all frames together; a frame larger than this is kept alone.
    limit: usize,
}

impl FrameCache {
    /// Keeps frames of up to `limit` pixels in all.
    pub fn new(limit: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            limit,
        }
    }

    /// The frame of an address, which becomes the one used last.
    pub fn get(&mut self, url: &str) -> Option<Rc<Frame>> {
        let index = self.entries.iter().position(|(key, _)| key == url)?;
        let entry = self.entries.remove(index)?;
        let frame = Rc::clone(&entry.1);
        self.entries.push_front(entry);
        Some(frame)
    }

    /// Keeps a frame and lets the ones go that were not used for longest.
    pub fn put(&mut self, url: &str, frame: Rc<Frame>) {
        self.entries.retain(|(key, _)| key != url);
        self.entries.push_front((url.to_owned(), frame));
        while self.entries.len() > 1 && self.entries.iter().map(|(_, f)| f.pixels.len()).sum::<usize>() > self.limit {
            self.entries.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(pixels: usize) -> Rc<Frame> {
        Rc::new(Frame::new(1, pixels as u32, 8, vec![0; pixels]))
    }

    #[test]
    fn the_frame_unused_for_longest_goes_first() {
        let mut cache = FrameCache::new(10);
        cache.put("a", frame(4));
        cache.put("b", frame(4));
        assert!(cache.get("a").is_some());
        cache.put("c", frame(4));
        assert!(cache.get("b").is_none());
        assert!(cache.get("a").is_some() && cache.get("c").is_some());
    }

    #[test]
    fn a_frame_over_the_limit_is_kept_alone() {
        let mut cache = FrameCache::new(10);
        cache.put("small", frame(4));
        cache.put("large", frame(40));
        assert!(cache.get("small").is_none());
        assert!(cache.get("large").is_some());
        cache.put("large", frame(2));
        cache.put("small", frame(4));
        assert!(cache.get("large").is_some());
    }
}

//! A B+ tree that counts: a long sequence of elements kept in leaves, in which an element is found by its position, or, when the sequence is
//! ordered, by a predicate. Sorted sets keep members in it, lists keep chunks of elements.
//!
//! It never looks into an element: what a leaf holds, how it splits and when two leaves become one is the leaf's business.
//! The one decision worth knowing: nodes have no parent, no neighbour and no number. Whoever walks comes from the root again for each
//! leaf, which costs a nanosecond an element and spares every structure that would have to be kept true. Every operation is logarithmic, so no
//! size makes one of them slow.

use super::allocated_bytes;

/// Children of an inner node at most.
const FANOUT: usize = 32;
/// An inner node with fewer children looks for a neighbour to join.
const FANOUT_SMALL: usize = FANOUT / 4;
/// Two inner nodes become one when they have no more children than this together, so that the next insertion does not split them again.
const FANOUT_JOINED: usize = FANOUT * 3 / 4;

/// A run of neighbouring elements.
pub trait Leaf: Sized {
    /// What inner nodes remember of a leaf's first element, to steer by.
    type Key: Copy + Default;
    /// Number of elements.
    fn count(&self) -> usize;
    /// The key of the first element; asked only when there is one.
    fn key(&self) -> Self::Key;
    /// Bytes allocated beyond the leaf itself, as [`allocated_bytes`] counts them.
    fn heap_bytes(&self) -> usize;
    /// Whether it is worth looking for a neighbour to join.
    fn is_small(&self) -> bool;
    /// Moves all of `next`, which follows, to the end of this leaf and says true; or leaves both alone when they are too large together.
    fn absorb(&mut self, next: &mut Self) -> bool;
}

/// Which way a sequence is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the first element to the last.
    Forward,
    /// From the last to the first.
    Backward,
}

/// What a change of a leaf leaves behind besides the leaf.
pub enum Grow<L> {
    /// Nothing.
    Nothing,
    /// A new leaf that comes before it.
    Before(Box<L>),
    /// A new leaf that comes after it.
    After(Box<L>),
}

/// How a way down the tree is chosen.
pub trait Steer<L: Leaf> {
    /// Which of the children to enter; there is at least one.
    fn child(&mut self, keys: &[L::Key], counts: &[usize]) -> usize;
}

/// Steers to the leaf of the element at a position, below the length; what remains is its offset in the leaf.
pub struct At(pub usize);

/// Steers to the leaf with the gap before a position, at most the length; between two leaves that is the end of the first one.
pub struct Gap(pub usize);

/// Steers to the last leaf whose first element is before a point of the order, or the first leaf. The predicate is true for the elements before the
/// point.
pub struct Before<F>(pub F);

impl<L: Leaf> Steer<L> for At {
    #[inline]
    fn child(&mut self, _: &[L::Key], counts: &[usize]) -> usize {
        let last = counts.len() - 1;
        for (index, count) in counts[..last].iter().enumerate() {
            if self.0 < *count {
                return index;
            }
            self.0 -= count;
        }
        last
    }
}

impl<L: Leaf> Steer<L> for Gap {
    #[inline]
    fn child(&mut self, _: &[L::Key], counts: &[usize]) -> usize {
        let last = counts.len() - 1;
        for (index, count) in counts[..last].iter().enumerate() {
            if self.0 <= *count {
                return index;
            }
            self.0 -= count;
        }
        last
    }
}

impl<L: Leaf, F: FnMut(L::Key) -> bool> Steer<L> for Before<F> {
    #[inline]
    fn child(&mut self, keys: &[L::Key], _: &[usize]) -> usize {
        // The first child's key decides nothing: what is before it belongs there too.
        keys[1..].partition_point(|key| (self.0)(*key))
    }
}

enum Node<L: Leaf> {
    Leaf(Box<L>),
    Inner(Box<Inner<L>>),
}

struct Inner<L: Leaf> {
    len: usize,
    /// Elements below each child.
    counts: [usize; FANOUT],
    /// The key of the first element below each child.
    keys: [L::Key; FANOUT],
    children: [Option<Node<L>>; FANOUT],
}

/// A new neighbour of a node, and the side it stands on.
enum Sibling<L: Leaf> {
    Before(Node<L>),
    After(Node<L>),
}

fn leaf_bytes<L: Leaf>(leaf: &L) -> usize {
    allocated_bytes(size_of::<L>()) + leaf.heap_bytes()
}

const fn inner_bytes<L: Leaf>() -> usize {
    allocated_bytes(size_of::<Inner<L>>())
}

impl<L: Leaf> Node<L> {
    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.count(),
            Node::Inner(inner) => inner.counts[..inner.len].iter().sum(),
        }
    }

    fn key(&self) -> L::Key {
        match self {
            Node::Leaf(leaf) => leaf.key(),
            Node::Inner(inner) => inner.keys[0],
        }
    }

    fn is_small(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.is_small(),
            Node::Inner(inner) => inner.len < FANOUT_SMALL,
        }
    }

    /// Moves all of `next` to the end of this node if that is allowed.
    fn absorb(&mut self, next: &mut Node<L>) -> bool {
        match (self, next) {
            (Node::Leaf(leaf), Node::Leaf(next)) => leaf.absorb(next),
            (Node::Inner(inner), Node::Inner(next)) if inner.len + next.len <= FANOUT_JOINED => {
                next.move_tail(0, inner);
                true
            }
            _ => false,
        }
    }

    /// Bytes of this node alone.
    fn bytes(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf_bytes(&**leaf),
            Node::Inner(_) => inner_bytes::<L>(),
        }
    }
}

impl<L: Leaf> Inner<L> {
    fn new() -> Box<Inner<L>> {
        Box::new(Inner {
            len: 0,
            counts: [0; FANOUT],
            keys: [L::Key::default(); FANOUT],
            children: [const { None }; FANOUT],
        })
    }

    fn insert(&mut self, at: usize, node: Node<L>) {
        let len = self.len;
        assert!(len < FANOUT);
        self.counts[len] = node.count();
        self.keys[len] = node.key();
        self.children[len] = Some(node);
        self.counts[at..=len].rotate_right(1);
        self.keys[at..=len].rotate_right(1);
        self.children[at..=len].rotate_right(1);
        self.len += 1;
    }

    fn remove(&mut self, at: usize) -> Node<L> {
        let len = self.len;
        self.counts[at..len].rotate_left(1);
        self.keys[at..len].rotate_left(1);
        self.children[at..len].rotate_left(1);
        self.len -= 1;
        self.children[self.len].take().expect("a child below len")
    }

    /// Moves the children from `from` on to the end of `other`.
    fn move_tail(&mut self, from: usize, other: &mut Inner<L>) {
        for index in from..self.len {
            other.counts[other.len] = self.counts[index];
            other.keys[other.len] = self.keys[index];
            other.children[other.len] = self.children[index].take();
            other.len += 1;
        }
        self.len = from;
    }

    fn child(&self, index: usize) -> &Node<L> {
        self.children[index].as_ref().expect("a child below len")
    }

    fn child_mut(&mut self, index: usize) -> &mut Node<L> {
        self.children[index].as_mut().expect("a child below len")
    }

    /// Reads the child's count and key again; both arrays mirror the children.
    fn refresh(&mut self, index: usize) {
        let child = self.children[index].as_ref().expect("a child below len");
        self.counts[index] = child.count();
        self.keys[index] = child.key();
    }

    /// Inserts, splitting this node when it is full. At an end the new neighbour holds nothing else, so that what grows at an end is full.
    fn insert_or_split(
        &mut self,
        at: usize,
        node: Node<L>,
        bytes: &mut usize,
    ) -> Option<Sibling<L>> {
        if self.len < FANOUT {
            self.insert(at, node);
            return None;
        }
        let mut sibling = Inner::new();
        *bytes += inner_bytes::<L>();
        if at == FANOUT {
            sibling.insert(0, node);
        } else if at == 0 {
            sibling.insert(0, node);
            return Some(Sibling::Before(Node::Inner(sibling)));
        } else {
            self.move_tail(FANOUT / 2, &mut sibling);
            match at.checked_sub(FANOUT / 2) {
                Some(at) if at > 0 => sibling.insert(at, node),
                _ => self.insert(at, node),
            }
        }
        Some(Sibling::After(Node::Inner(sibling)))
    }

    /// After the child at `index` has shrunk: drops it if it is empty, joins it with a neighbour if both are small.
    fn settle(&mut self, index: usize, bytes: &mut usize) {
        if self.counts[index] == 0 {
            *bytes -= self.remove(index).bytes();
            return;
        }
        if !self.child(index).is_small() {
            return;
        }
        for left in [index.checked_sub(1), Some(index)].into_iter().flatten() {
            if left + 1 < self.len && self.join(left, bytes) {
                return;
            }
        }
    }

    /// Joins a child with the one that follows, if they fit into one.
    fn join(&mut self, left: usize, bytes: &mut usize) -> bool {
        let (head, tail) = self.children.split_at_mut(left + 1);
        let (Some(first), Some(second)) = (&mut head[left], &mut tail[0]) else {
            return false;
        };
        let before = first.bytes() + second.bytes();
        if !first.absorb(second) {
            return false;
        }
        *bytes = *bytes + first.bytes() + second.bytes() - before;
        *bytes -= self.remove(left + 1).bytes();
        self.refresh(left);
        true
    }
}

/// Changes one leaf and repairs the way to it.
fn change_leaf<L: Leaf, S: Steer<L>, R>(
    node: &mut Node<L>,
    steer: &mut S,
    change: impl FnOnce(&mut L, &mut S) -> (R, Grow<L>),
    bytes: &mut usize,
) -> (R, Option<Sibling<L>>) {
    match node {
        Node::Leaf(leaf) => {
            let before = leaf.heap_bytes();
            let (result, grow) = change(leaf, steer);
            *bytes = *bytes + leaf.heap_bytes() - before;
            let sibling = match grow {
                Grow::Nothing => return (result, None),
                Grow::Before(leaf) => Sibling::Before(Node::Leaf(leaf)),
                Grow::After(leaf) => Sibling::After(Node::Leaf(leaf)),
            };
            let (Sibling::Before(new) | Sibling::After(new)) = &sibling;
            debug_assert!(new.count() > 0);
            *bytes += new.bytes();
            (result, Some(sibling))
        }
        Node::Inner(inner) => {
            let len = inner.len;
            let index = steer.child(&inner.keys[..len], &inner.counts[..len]);
            let before = inner.counts[index];
            let (result, sibling) = change_leaf(inner.child_mut(index), steer, change, bytes);
            let child = inner.child(index);
            inner.counts[index] = child.count();
            if inner.counts[index] > 0 {
                inner.keys[index] = inner.child(index).key();
            }
            match sibling {
                None => {
                    if inner.counts[index] < before {
                        inner.settle(index, bytes);
                    }
                    (result, None)
                }
                Some(sibling) => {
                    // A change that empties its leaf and leaves a neighbour behind has replaced it.
                    let emptied = inner.counts[index] == 0;
                    if emptied {
                        *bytes -= inner.remove(index).bytes();
                    }
                    let (at, node) = match sibling {
                        Sibling::Before(node) => (index, node),
                        Sibling::After(node) => (index + usize::from(!emptied), node),
                    };
                    (result, inner.insert_or_split(at, node, bytes))
                }
            }
        }
    }
}

/// See the module.
pub struct Tree<L: Leaf> {
    root: Option<Node<L>>,
    count: usize,
    bytes: usize,
}

impl<L: Leaf> Default for Tree<L> {
    fn default() -> Self {
        Tree::new()
    }
}

impl<L: Leaf> Tree<L> {
    /// An empty sequence.
    pub fn new() -> Tree<L> {
        Tree {
            root: None,
            count: 0,
            bytes: 0,
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no element.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Bytes of all nodes, and of what leaves allocate; not of this struct.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the whole sequence is one leaf.
    pub fn is_one_leaf(&self) -> bool {
        matches!(self.root, Some(Node::Leaf(_)))
    }

    /// The leaf to which `steer` leads, None when there is none.
    #[inline]
    pub fn find<S: Steer<L>>(&self, steer: &mut S) -> Option<&L> {
        let mut node = self.root.as_ref()?;
        loop {
            match node {
                Node::Leaf(leaf) => return Some(leaf),
                Node::Inner(inner) => {
                    let index = steer.child(&inner.keys[..inner.len], &inner.counts[..inner.len]);
                    node = inner.child(index);
                }
            }
        }
    }

    /// The leaf of the element at a position and its offset there; None past the end.
    #[inline]
    pub fn leaf_at(&self, position: usize) -> Option<(&L, usize)> {
        if position >= self.count {
            return None;
        }
        let mut steer = At(position);
        let leaf = self.find(&mut steer)?;
        Some((leaf, steer.0))
    }

    /// How many elements are before a point of the order. `before` is true for the keys of elements before it, `offset` counts those in one leaf.
    #[inline]
    pub fn rank(
        &self,
        before: impl FnMut(L::Key) -> bool,
        offset: impl FnOnce(&L) -> usize,
    ) -> usize {
        let mut steer = Counting {
            before: Before(before),
            passed: 0,
        };
        match self.find(&mut steer) {
            Some(leaf) => steer.passed + offset(leaf),
            None => 0,
        }
    }

    /// Changes the leaf to which `steer` leads, which gets what `steer` has become on the way. A leaf left empty is dropped.
    /// The tree must not be empty: its first leaf comes by [`Tree::push_first`].
    #[inline]
    pub fn change<S: Steer<L>, R>(
        &mut self,
        mut steer: S,
        change: impl FnOnce(&mut L, &mut S) -> (R, Grow<L>),
    ) -> R {
        let root = self.root.as_mut().expect("a tree with a leaf");
        let (result, sibling) = change_leaf(root, &mut steer, change, &mut self.bytes);
        self.count = root.count();
        if let Some(sibling) = sibling {
            let old = self.root.take().expect("present above");
            self.root = Some(if old.count() == 0 {
                self.bytes -= old.bytes();
                let (Sibling::Before(new) | Sibling::After(new)) = sibling;
                new
            } else {
                let mut inner = Inner::new();
                self.bytes += inner_bytes::<L>();
                let (first, second) = match sibling {
                    Sibling::Before(new) => (new, old),
                    Sibling::After(new) => (old, new),
                };
                inner.insert(0, first);
                inner.insert(1, second);
                Node::Inner(inner)
            });
            self.count = self.root.as_ref().map_or(0, Node::count);
        }
        self.lower();
        result
    }

    /// Gives an empty tree its first leaf, which has elements.
    pub fn push_first(&mut self, leaf: Box<L>) {
        assert!(self.root.is_none() && leaf.count() > 0);
        self.count = leaf.count();
        let node = Node::Leaf(leaf);
        self.bytes = node.bytes();
        self.root = Some(node);
    }

    /// Takes away levels without a choice.
    fn lower(&mut self) {
        loop {
            match &mut self.root {
                Some(Node::Inner(inner)) if inner.len <= 1 => {
                    self.bytes -= inner_bytes::<L>();
                    self.root = inner.children[0].take();
                }
                Some(Node::Leaf(leaf)) if leaf.count() == 0 => {
                    self.bytes -= leaf_bytes(&**leaf);
                    self.root = None;
                }
                _ => return,
            }
        }
    }

    /// Counts everything again and checks what must hold; returns the bytes.
    #[cfg(test)]
    pub fn check(&self) -> usize {
        fn walk<L: Leaf>(node: &Node<L>, depth: usize, depths: &mut Vec<usize>) -> usize {
            match node {
                Node::Leaf(leaf) => {
                    assert!(leaf.count() > 0);
                    depths.push(depth);
                }
                Node::Inner(inner) => {
                    assert!(inner.len > 0 && inner.len <= FANOUT);
                    let mut bytes = node.bytes();
                    for index in 0..inner.len {
                        assert_eq!(inner.counts[index], inner.child(index).count());
                        bytes += walk(inner.child(index), depth + 1, depths);
                    }
                    assert!(inner.children[inner.len..].iter().all(Option::is_none));
                    return bytes;
                }
            }
            node.bytes()
        }
        let mut depths = Vec::new();
        let bytes = self
            .root
            .as_ref()
            .map_or(0, |root| walk(root, 0, &mut depths));
        assert!(depths.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(bytes, self.bytes);
        assert_eq!(self.count, self.root.as_ref().map_or(0, Node::count));
        // A tree far deeper than its leaves need would have lost its balance.
        if let Some(depth) = depths.first() {
            assert!(*depth <= 2 + depths.len().ilog2() as usize / 2);
        }
        bytes
    }
}

/// Steers like [`Before`] and counts the elements it passes.
struct Counting<F> {
    before: Before<F>,
    passed: usize,
}

impl<L: Leaf, F: FnMut(L::Key) -> bool> Steer<L> for Counting<F> {
    #[inline]
    fn child(&mut self, keys: &[L::Key], counts: &[usize]) -> usize {
        let index = Steer::<L>::child(&mut self.before, keys, counts);
        self.passed += counts[..index].iter().sum::<usize>();
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Random;

    /// Leaves so small that a few thousand elements make a deep tree.
    struct Few(Vec<u32>);

    impl Leaf for Few {
        type Key = u32;

        fn count(&self) -> usize {
            self.0.len()
        }

        fn key(&self) -> u32 {
            self.0[0]
        }

        fn heap_bytes(&self) -> usize {
            self.0.len()
        }

        fn is_small(&self) -> bool {
            self.0.len() < 2
        }

        fn absorb(&mut self, next: &mut Few) -> bool {
            let fits = self.0.len() + next.0.len() <= 3;
            if fits {
                self.0.append(&mut next.0);
            }
            fits
        }
    }

    fn insert(tree: &mut Tree<Few>, element: u32) {
        if tree.is_empty() {
            tree.push_first(Box::new(Few(vec![element])));
            return;
        }
        tree.change(Before(|key| key < element), |leaf, _| {
            let offset = leaf.0.partition_point(|other| *other < element);
            leaf.0.insert(offset, element);
            let grow = match leaf.0.len() {
                5.. if offset == 0 => Grow::Before(Box::new(Few(vec![leaf.0.remove(0)]))),
                5.. => Grow::After(Box::new(Few(leaf.0.split_off(3)))),
                _ => Grow::Nothing,
            };
            ((), grow)
        });
    }

    fn check(tree: &Tree<Few>, model: &std::collections::BTreeSet<u32>) {
        tree.check();
        assert_eq!(tree.len(), model.len());
        for (position, element) in model.iter().enumerate() {
            let (leaf, offset) = tree.leaf_at(position).unwrap();
            assert_eq!(leaf.0[offset], *element);
            let rank = tree.rank(
                |key| key < *element,
                |leaf| leaf.0.partition_point(|other| other < element),
            );
            assert_eq!(rank, position);
        }
        assert!(tree.leaf_at(model.len()).is_none());
    }

    #[test]
    fn a_deep_tree_grows_and_shrinks_in_any_order() {
        const COUNT: u32 = 20_000;
        type Order = fn(u32, &mut Random) -> u32;
        let orders: [Order; 3] = [
            |step, _| step,
            |step, _| COUNT - 1 - step,
            |_, random| random.below(COUNT as usize) as u32,
        ];
        let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
        println!("seed {seed}");
        let mut random = Random::new(seed);
        for grow in orders {
            for shrink in orders {
                let mut tree = Tree::new();
                let mut model = std::collections::BTreeSet::new();
                for step in 0..COUNT {
                    let element = grow(step, &mut random);
                    if model.insert(element) {
                        insert(&mut tree, element);
                    }
                }
                check(&tree, &model);
                for step in 0..COUNT {
                    let element = shrink(step, &mut random);
                    if model.remove(&element) {
                        tree.change(Before(|key| key <= element), |leaf, _| {
                            leaf.0.retain(|other| *other != element);
                            ((), Grow::Nothing)
                        });
                    }
                }
                check(&tree, &model);
                while !tree.is_empty() {
                    let position = random.below(tree.len());
                    tree.change(At(position), |leaf, At(offset)| {
                        leaf.0.remove(*offset);
                        ((), Grow::Nothing)
                    });
                }
                assert_eq!(tree.check(), 0);
            }
        }
    }
}

//! Placeholder until merge.
use super::flow::Direction;
use crate::packet::FrameNo;
use crate::time::Timestamp;
#[derive(Clone, Debug, PartialEq, Eq, Copy)]
pub enum HandshakeState { Complete, Incomplete, Alert }
#[derive(Clone, Debug)]
pub struct AlertS { pub name: String, pub frame: FrameNo }
#[derive(Clone, Debug)]
pub struct HandshakeSummary { pub client_is_forward: bool, pub state: HandshakeState, pub alert: Option<AlertS> }
#[derive(Default)]
pub(crate) struct Association { n: u32 }
impl Association {
 pub(crate) fn datagram(&mut self, _: Direction, _: Timestamp, _: FrameNo, _: &[u8]) { self.n += 1; }
 pub(crate) fn offers_srtp(&self) -> bool { self.n > 0 }
 pub(crate) fn summaries(&self) -> Vec<HandshakeSummary> { Vec::new() }
}

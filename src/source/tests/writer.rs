use crate::packet::{FrameNo, LinkType, RawPacket};
use crate::source::PcapngWriter;
use crate::source::fixture::*;
use crate::time::Timestamp;

fn packet(nanos: i64, interface: u32, link: LinkType, wire_len: u32, data: &[u8]) -> RawPacket<'_> {
    RawPacket { ts: Timestamp::from_nanos(nanos), frame: FrameNo(1), interface, link, wire_len, data }
}

#[test]
fn what_is_written_is_read_again_with_time_interface_link_type_and_length() {
    let mut writer = PcapngWriter::new(Vec::new(), 0).unwrap();
    let written = [
        packet(1_763_740_800_123_456_789, 7, LinkType::ETHERNET, 3, b"odd"),
        packet(1_763_740_801_000_000_001, 2, LinkType::RAW, 1500, b"cut short"),
        packet(1_763_740_802_000_000_000, 7, LinkType::ETHERNET, 4, b"even"),
        packet(1_763_740_803_000_000_000, 7, LinkType::RAW, 0, b""),
    ];
    written.iter().for_each(|packet| writer.packet(packet, String::new).unwrap());
    let read = read(&writer.finish(None).unwrap());
    let seen: Vec<_> =
        read.records.iter().map(|r| (r.nanos, r.interface, r.link, r.wire_len, r.data.clone())).collect();
    let expected: Vec<_> = written
        .iter()
        .zip([0, 1, 0, 2])
        .map(|(packet, interface)| {
            (packet.ts.as_nanos(), interface, packet.link, packet.wire_len, packet.data.to_vec())
        })
        .collect();
    assert_eq!(seen, expected);
    assert!(read.file().damage.is_empty() && read.file().end.is_none());
}

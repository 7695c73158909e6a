//! Packets and bytes per second of the codecs and of the whole analysis: `cargo bench`.
//!
//! The input is a capture of this project, so that the figures need nothing else. For the comparison with other
//! programs on large captures see `benches/side-by-side`.

#![allow(clippy::expect_used, reason = "a bench without its input has nothing to say")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rtcscope::model::analyzer::{Analyzer, Options};
use rtcscope::model::capture::CaptureFacts;
use rtcscope::net::{Decoder, Unit};
use rtcscope::packet::RawPacket;
use rtcscope::proto::{demux, rtcp, rtp, stun};
use rtcscope::source::{CaptureFiles, Input, PacketSource};
use std::hint::black_box;
use std::path::Path;

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/webrtc-unencrypted/input.pcapng");

/// Makes sure that the value is computed.
fn seen<T>(value: T) {
    black_box(value);
}

fn open() -> CaptureFiles {
    CaptureFiles::open(&[Input::from(Path::new(CAPTURE))]).expect("the capture is part of the project")
}

fn records(files: &CaptureFiles) -> Vec<RawPacket<'_>> {
    let mut reader = files.reader();
    let mut packets = Vec::new();
    while let Some(record) = reader.next_record() {
        packets.extend(record.mapped_packet());
    }
    packets
}

fn payloads<'a>(packets: &[RawPacket<'a>]) -> Vec<Vec<u8>> {
    let mut decoder = Decoder::default();
    let mut payloads = Vec::new();
    for packet in packets {
        decoder.packet(packet, |unit| {
            if let Unit::Datagram(datagram) = unit {
                payloads.push(datagram.payload.to_vec());
            }
        });
    }
    payloads
}

fn stages(criterion: &mut Criterion) {
    let files = open();
    let packets = records(&files);
    let bytes: u64 = packets.iter().map(|packet| packet.data.len() as u64).sum();
    let mut group = criterion.benchmark_group("pipeline");
    for throughput in [Throughput::Elements(packets.len() as u64), Throughput::Bytes(bytes)] {
        let unit = if matches!(throughput, Throughput::Bytes(_)) { "bytes" } else { "packets" };
        group.throughput(throughput);
        group.bench_function(format!("source, {unit}"), |bencher| {
            bencher.iter(|| {
                let mut reader = files.reader();
                let mut length = 0;
                while let Some(record) = reader.next_record() {
                    length += record.packet().data.len();
                }
                length
            });
        });
        group.bench_function(format!("net, {unit}"), |bencher| {
            let mut decoder = Decoder::default();
            bencher.iter(|| {
                for packet in &packets {
                    decoder.packet(packet, |unit| {
                        black_box(unit);
                    });
                }
            });
        });
        group.bench_function(format!("analyzer, {unit}"), |bencher| {
            bencher.iter(|| {
                let mut analyzer = Analyzer::new(Options::default());
                packets.iter().for_each(|packet| analyzer.packet(packet));
                analyzer.finish();
                analyzer.snapshot(CaptureFacts::default())
            });
        });
    }
    group.finish();
}

fn codecs(criterion: &mut Criterion) {
    let files = open();
    let payloads = payloads(&records(&files));
    let of = |wanted: demux::Class| -> Vec<&[u8]> {
        payloads.iter().map(Vec::as_slice).filter(|payload| demux::classify(payload) == wanted).collect()
    };
    let mut group = criterion.benchmark_group("codecs");
    group.throughput(Throughput::Elements(payloads.len() as u64));
    group.bench_function("demux", |bencher| {
        bencher.iter(|| payloads.iter().for_each(|payload| seen(demux::classify(payload))));
    });
    let (media, reports, checks) = (of(demux::Class::Rtp), of(demux::Class::Rtcp), of(demux::Class::Stun));
    group.throughput(Throughput::Elements(media.len() as u64));
    group.bench_function("rtp header", |bencher| {
        bencher.iter(|| media.iter().for_each(|bytes| seen(rtp::RtpHeader::parse(bytes))));
    });
    group.throughput(Throughput::Elements(reports.len() as u64));
    group.bench_function("rtcp compound", |bencher| {
        bencher.iter(|| {
            let packets = reports.iter().flat_map(|bytes| rtcp::packets(bytes));
            packets.for_each(|packet| seen(packet.message()));
        });
    });
    group.throughput(Throughput::Elements(checks.len() as u64));
    group.bench_function("stun with attributes", |bencher| {
        bencher.iter(|| {
            for bytes in &checks {
                if let Ok(message) = stun::Message::parse(bytes) {
                    message.attributes().for_each(|attribute| seen(attribute.value()));
                }
            }
        });
    });
    group.finish();
}

criterion_group!(benches, stages, codecs);
criterion_main!(benches);

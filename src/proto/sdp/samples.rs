//! Descriptions for tests, written for this project after what phones, browsers and servers send.

/// An offer as a browser makes it: bundle, two media sections, simulcast, a data channel.
pub(super) const BROWSER_OFFER: &str = "v=0\r
o=- 4611731400430051336 2 IN IP4 127.0.0.1\r
s=-\r
t=0 0\r
a=group:BUNDLE 0 1 2\r
a=extmap-allow-mixed\r
a=msid-semantic: WMS stream\r
m=audio 50000 UDP/TLS/RTP/SAVPF 111 63 0 110\r
c=IN IP4 203.0.113.7\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=candidate:1 1 udp 2122260223 4a0f8a9e-3b2c-4d5e-8f70-0123456789ab.local 50000 typ host generation 0 network-id 1\r
a=candidate:2 1 udp 1686052607 203.0.113.7 50000 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-id 1\r
a=candidate:3 1 tcp 1518280447 fd00::7 9 typ host tcptype active generation 0\r
a=end-of-candidates\r
a=ice-ufrag:kPz1\r
a=ice-pwd:eAq4M7pU5aYw0eNnS2b+xR/T\r
a=ice-options:trickle renomination\r
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r
a=setup:actpass\r
a=mid:0\r
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r
a=extmap:4/sendonly urn:ietf:params:rtp-hdrext:sdes:mid\r
a=sendrecv\r
a=msid:stream audio-track\r
a=rtcp-mux\r
a=rtcp-rsize\r
a=rtpmap:111 opus/48000/2\r
a=rtcp-fb:111 transport-cc\r
a=fmtp:111 minptime=10;useinbandfec=1\r
a=rtpmap:63 red/48000/2\r
a=fmtp:63 111/111\r
a=rtpmap:0 PCMU/8000\r
a=rtpmap:110 telephone-event/48000\r
a=ptime:20\r
a=maxptime:60\r
a=ssrc:3735928559 cname:Zk9vYmFyQmF6\r
a=ssrc:3735928559 msid:stream audio-track\r
m=video 9 UDP/TLS/RTP/SAVPF 96 97\r
c=IN IP4 0.0.0.0\r
a=rtcp:9 IN IP4 0.0.0.0\r
a=ice-ufrag:kPz1\r
a=ice-pwd:eAq4M7pU5aYw0eNnS2b+xR/T\r
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r
a=setup:actpass\r
a=mid:1\r
a=sendonly\r
a=rtcp-mux\r
a=rtpmap:96 VP8/90000\r
a=rtcp-fb:96 goog-remb\r
a=rtcp-fb:96 ccm fir\r
a=rtcp-fb:96 nack pli\r
a=rtpmap:97 rtx/90000\r
a=fmtp:97 apt=96\r
a=rid:h send\r
a=rid:l send max-width=320\r
a=simulcast:send h;~l\r
a=ssrc-group:FID 11 12\r
a=ssrc:11 cname:Zk9vYmFyQmF6\r
a=ssrc:12 cname:Zk9vYmFyQmF6\r
m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r
c=IN IP4 0.0.0.0\r
a=ice-ufrag:kPz1\r
a=ice-pwd:eAq4M7pU5aYw0eNnS2b+xR/T\r
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r
a=setup:actpass\r
a=mid:2\r
a=sctp-port:5000\r
a=max-message-size:262144\r
";

/// An offer as a desk phone makes it: everything that is optional, SDES, fax, MSRP and BFCP sections.
pub(super) const PHONE_OFFER: &str = "v=0
o=Front Desk 20518 -1 IN IP4 192.0.2.10
s=Call
i=with everything
u=http://phone.example/
e=desk@phone.example
p=+1 555 0100
c=IN IP4 192.0.2.10
c=IN IP6 2001:db8::10
b=AS:512
t=0 0
r=7d 1h 0 25h
z=0 0
k=prompt
a=tool:phone/1.0
a=sendonly
m=audio 16384/2 RTP/SAVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:2.5
a=rtcp:16390 IN IP4 192.0.2.11
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw|2^31|1:1
m=image 16400 udptl t38
c=IN IP4 192.0.2.12/127
a=T38FaxVersion:0
a=T38MaxBitRate:14400
m=message 2855 TCP/MSRP *
a=path:msrp://192.0.2.10:2855/s1;tcp
m=application 3478 UDP/BFCP *
a=floorctrl:c-only
a=inactive
";

// Names and numbers of the Xen world that every folder shares.
#pragma once

#include <cstdint>

namespace vxs {

/// A Xen domain id as it stands in Xenstore permissions, 0..65535.
using DomId = std::uint16_t;

/// Tells one life of a domain id from the next (conformance C13, F8): 0 where
/// no hypervisor says anything, Xen's unique id where it has one.
using Incarnation = std::uint64_t;

/// The number of a journal record. Records are numbered from 1 without a hole;
/// a node's generation is the Seq of the record that changed it last.
using Seq = std::uint64_t;

/// The number of a connection within one state directory, never used twice.
using ConnectionId = std::uint64_t;

/// A transaction id as it stands in a wire header; 0 means "no transaction".
using TxId = std::uint32_t;

inline constexpr DomId kDomIdFirstReserved = 0x7FF0;
inline constexpr DomId kDomIdSelf = 0x7FF0;
/// In a permission entry: every domain (conformance B8, C9).
inline constexpr DomId kDomIdAny = 0x7FF5;
/// "no domain", for a caller without a target.
inline constexpr DomId kDomIdInvalid = 0x7FF4;

/// Incarnation of a permission entry whose domain was not known when it was
/// set: it never matches anybody (conformance B8.4, XSA-417).
inline constexpr Incarnation kIncarnationStale = ~Incarnation{0};

}  // namespace vxs

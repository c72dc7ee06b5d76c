// A guest's ring as what carries a client's bytes. As a real guest it looks at its ring only after
// an event: who does not signal is found late.
#pragma once

#include <functional>
#include <memory>

#include "tests/crash/kept/link.hh"
#include "tests/support/fake_guest.hh"

namespace vxs::test::kept {

// Told whether the domain dies with it.
using OnDepart = std::function<void(bool dies)>;

// The ring may be used: it was introduced, or connected anew. The link ends before the guest and
// the machine. Its calls throw Violation for a page no daemon may leave behind.
std::unique_ptr<Link> make_ring_link(fakexen::Machine& machine, support::FakeGuest& guest,
                                     OnDepart on_depart);

}  // namespace vxs::test::kept

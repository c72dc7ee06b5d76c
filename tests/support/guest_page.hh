// A ring page as its guest sees it (A15): any field may be read and written at any time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace vxs::support {

constexpr uint32_t kRingSize = 1024;

class GuestPage {
 public:
  enum Field : size_t {
    kReqCons = 2048,
    kReqProd = 2052,
    kRspCons = 2056,
    kRspProd = 2060,
    kFeatures = 2064,
    kConnection = 2068,
    kError = 2072,
    kEvtchnPort = 2076,
  };

  explicit GuestPage(void* page) : page_(static_cast<char*>(page)) {}

  [[nodiscard]] uint32_t get(Field field) const { return at(field).load(); }
  void set(Field field, uint32_t value) { at(field).store(value); }

  // The rings' bytes: [0, 1024) requests, [1024, 2048) responses.
  [[nodiscard]] char* requests() const { return page_; }
  [[nodiscard]] char* responses() const { return page_ + kRingSize; }
  [[nodiscard]] char* bytes() const { return page_; }

 private:
  [[nodiscard]] std::atomic_ref<uint32_t> at(Field field) const {
    return std::atomic_ref<uint32_t>(*reinterpret_cast<uint32_t*>(page_ + field));
  }

  char* page_;
};

}  // namespace vxs::support

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace tessera::device {

struct Version {
  int major = 0;
  int minor = 0;
  auto operator<=>(const Version&) const = default;
};

/// The properties of a device. They do not change while the program runs.
struct Properties {
  std::string name;            ///< as its maker calls it
  std::string bus_id;          ///< "0000:17:00.0": the same device has the same one in every process of a host
  Version compute_capability;  ///< compute capability of its cores
  Version driver;              ///< newest CUDA that the installed driver understands
  Version runtime;             ///< CUDA that this program was built with
  std::uint64_t total_bytes = 0;
  int multiprocessors = 0;
};

/// The oldest cores that this program has code for.
inline constexpr Version kLeastCapability{8, 0};

/// Throws Error(kUsage) when the device or its driver is too old, with what is there and what is needed of both.
void check_supported(const Properties& properties);

/// Whether this program was built with CUDA.
bool built_with_cuda();

/// Devices that this process sees. Throws Error(kUsage) without CUDA or without any device: "no device: REASON".
int device_count();

/// A device that is there and new enough. A number, to be copied: what is made on a device is owned by its own handle.
class Device {
 public:
  /// Device `index` of those that this process sees. Throws Error(kUsage) when there is no such device, or
  /// check_supported refuses it. The first call on a device takes a few tenths of a second: the driver sets it up.
  static Device open(int index);

  [[nodiscard]] int index() const { return index_; }
  [[nodiscard]] Properties properties() const;
  /// Bytes of its memory that no process uses at this moment.
  [[nodiscard]] std::uint64_t free_bytes() const;
  auto operator<=>(const Device&) const = default;

 private:
  explicit Device(int index) : index_(index) {}
  int index_ = 0;
};

/// The device of a rank: its number among the ranks of its host modulo the devices that the process sees.
int device_of_rank(int rank_on_host, int devices);

}  // namespace tessera::device

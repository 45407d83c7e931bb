// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/arena.hpp"

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "core/text.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

namespace tessera::memory {

Mapping::Mapping(std::uint64_t bytes) {
  void* mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    fail(ExitStatus::kOverBudget, "the system refuses an address range of {} for the memory pool; lower run.memory",
         text::bytes(bytes));
  memory_ = {static_cast<std::byte*>(mapped), bytes};
  madvise(mapped, bytes, MADV_HUGEPAGE);
}

Mapping::~Mapping() {
  if (!memory_.empty()) munmap(memory_.data(), memory_.size());
}

void touch_pages(std::span<std::byte> memory, std::size_t threads) {
  constexpr std::size_t kPiece = std::size_t{16} << 20U;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  parallel_for((memory.size() + kPiece - 1) / kPiece, threads, [&](std::size_t piece) {
    const std::size_t end = std::min(memory.size(), (piece + 1) * kPiece);
    for (std::size_t at = piece * kPiece; at < end; at += page)
      static_cast<volatile std::byte*>(memory.data())[at] = std::byte{0};
  });
}

HostArena::HostArena(device::Device device, std::uint64_t bytes, std::size_t threads) : mapping_(bytes) {
  touch_pages(mapping_.span(), threads);
  registration_.emplace(device, mapping_.span());
}

void check_device_budget(std::uint64_t bytes, std::uint64_t free_bytes, std::uint64_t total_bytes) {
  const std::uint64_t most = free_bytes / 16 * 15;
  if (bytes > most)
    fail(ExitStatus::kOverBudget,
         "a device memory budget of {} is more than the {} that can be had: {} of {} are free, and a sixteenth stays "
         "for "
         "the driver",
         text::bytes(bytes), text::bytes(most), text::bytes(free_bytes), text::bytes(total_bytes));
}

namespace {
std::uint64_t checked_budget(device::Device device, std::uint64_t bytes) {
  check_device_budget(bytes, device.free_bytes(), device.properties().total_bytes);
  return bytes;
}
}  // namespace

DeviceArena::DeviceArena(device::Device device, std::uint64_t bytes) : block_(device, checked_budget(device, bytes)) {}

}  // namespace tessera::memory

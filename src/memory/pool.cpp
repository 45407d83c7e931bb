// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "memory/pool.hpp"

#include <cstring>

namespace tessera::memory {
namespace {

constexpr std::uint64_t kPlanningBytes = Pool::kNoBudget;
constexpr const char* kHostAdvice =
    "Raise run.memory, use more ranks, or lower model.dim, train.batch_size or negatives.count";
constexpr const char* kDeviceAdvice = "Use more devices, or lower model.dim, train.batch_size or negatives.count";

std::uint64_t offset_of(const void* block, const std::byte* base) {
  return static_cast<std::uint64_t>(static_cast<const std::byte*>(block) - base);
}

}  // namespace

Pool::Pool(std::uint64_t budget_bytes)
    : PoolUse({budget_bytes, "memory", kHostAdvice, kHostUnitBytes}), arena_(allocator_.budget_bytes()) {}

// Pages of a new mapping are zero; none is used twice.
Pool::Pool(Planning plan)
    : PoolUse({kPlanningBytes, "memory", kHostAdvice, kHostUnitBytes}, plan.budget_bytes),
      arena_(kPlanningBytes),
      clears_(false) {}

Pool Pool::planning(std::uint64_t budget_bytes) { return Pool(Planning{budget_bytes}); }

Pool::Pool(device::Device device, std::uint64_t budget_bytes, std::size_t threads)
    : PoolUse({budget_bytes, "pinned memory", kHostAdvice, kHostUnitBytes}),
      arena_(device, allocator_.budget_bytes(), threads) {}

void* Pool::allocate_bytes(Tag tag, std::uint64_t count, std::uint64_t element_bytes) {
  const auto place = allocator_.allocate(tag, count, element_bytes);
  if (clears_) std::memset(arena_.base() + place.offset, 0, place.bytes);
  return arena_.base() + place.offset;
}

void Pool::release(const void* block) noexcept {
  if (clears_) allocator_.release(offset_of(block, arena_.base()));
}

DevicePool::DevicePool(device::Device device, std::uint64_t budget_bytes)
    : PoolUse({budget_bytes, "device memory", kDeviceAdvice, kDeviceUnitBytes}),
      arena_(device, allocator_.budget_bytes()) {}

void* DevicePool::allocate_bytes(Tag tag, std::uint64_t count, std::uint64_t element_bytes) {
  const auto place = allocator_.allocate(tag, count, element_bytes);
  device::clear_bytes({arena_.base() + place.offset, place.bytes}, arena_.device());
  return arena_.base() + place.offset;
}

void DevicePool::release(const void* block) noexcept { allocator_.release(offset_of(block, arena_.base())); }

}  // namespace tessera::memory

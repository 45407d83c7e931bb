// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"
#include "kernels/cuda/host_grid.hpp"
#include "kernels/detail/row_access.hpp"
#include "kernels/matrix.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>

// Tools for kernel bodies. A body compiles for a device and for the host, where a loop over blocks and threads runs it.
//
// A body is a struct that holds its arguments, with `static constexpr unsigned kThreads` (per block) and one of
//   void run(At) const;                                       // threads that do not need each other
//   unsigned phases() const;                                  // the same for all threads
//   void run(unsigned phase, At, Shared&, Registers&) const;  // all threads of a block end a phase before the next
// with the types Shared (of a block) and Registers (of a thread, beginning as Registers{}). No body uses warp
// primitives, and none adds floating-point numbers by atomics: the order of every sum is written in it.

#if defined(__CUDA_ARCH__)
#define TESSERA_UNROLL _Pragma("unroll")
#else
#define TESSERA_UNROLL
#endif

namespace tessera::kernels::cuda {

/// A thread of a block.
struct At {
  std::size_t block;
  unsigned thread;
};

using kernels::detail::ConstTable;
using kernels::detail::Table;
using kernels::detail::with_table;

template <class Body>
concept InPhases = requires {
  typename Body::Shared;
};

/// Blocks of `size` that `count` things need.
constexpr std::size_t blocks_of(std::size_t size, std::size_t count) { return (count + size - 1) / size; }

/// Calls item(k) for k = 0 .. count - 1, each by a thread of its own.
template <class Item>
struct ItemsBody {
  static constexpr unsigned kThreads = 128;
  Item item;
  std::size_t count;
  TESSERA_HOST_DEVICE void run(At at) const {
    const std::size_t k = at.block * kThreads + at.thread;
    if (k < count) item(k);
  }
};

template <class Launcher, class Item>
void launch_items(const Launcher& launch, std::size_t count, Item item) {
  launch(blocks_of(ItemsBody<Item>::kThreads, count), ItemsBody<Item>{item, count});
}

/// Adds to a counter that other blocks may add to; whole numbers, so the order does not matter.
TESSERA_HOST_DEVICE inline void add_count(std::uint32_t* counter, std::uint32_t count) {
  if (count == 0) return;
#if defined(__CUDA_ARCH__)
  atomicAdd(counter, count);
#else
  *counter += count;
#endif
}

TESSERA_HOST_DEVICE inline void add_count(std::uint64_t* counter, std::uint64_t count) {
  if (count == 0) return;
#if defined(__CUDA_ARCH__)
  atomicAdd(reinterpret_cast<unsigned long long*>(counter), static_cast<unsigned long long>(count));
#else
  *counter += count;
#endif
}

/// Takes the next place of a list. Other threads take places too; their order does not matter.
TESSERA_HOST_DEVICE inline std::uint32_t take_place(std::uint32_t* counter) {
#if defined(__CUDA_ARCH__)
  return atomicAdd(counter, 1U);
#else
  return (*counter)++;
#endif
}

/// Runs a body on the host, one block and one thread after the other, for tests of the bodies. Backward it begins with
/// the last thread of the last block: results that differ show threads that need each other within a phase.
class HostLauncher {
 public:
  static constexpr Space kSpace = Space::kHost;
  explicit HostLauncher(GridOrder order = GridOrder::kForward) : order_(order) {}

  template <class Body>
  void operator()(std::size_t blocks, const Body& body) const {
    for (std::size_t i = 0; i < blocks; ++i) run_block(body, in_order(i, blocks));
  }

 private:
  template <class Body>
  void run_block(const Body& body, std::size_t block) const {
    for (unsigned i = 0; i < Body::kThreads; ++i) body.run(At{block, in_order(i, Body::kThreads)});
  }

  template <InPhases Body>
  void run_block(const Body& body, std::size_t block) const {
    const unsigned phases = body.phases();
    if (phases == 0) return;
    typename Body::Shared shared;
    std::memset(&shared, 0xCC, sizeof shared);  // not zeros: a read before the first write shows
    typename Body::Registers registers[Body::kThreads] = {};
    for (unsigned phase = 0; phase < phases; ++phase)
      for (unsigned i = 0; i < Body::kThreads; ++i) {
        const unsigned thread = in_order(i, Body::kThreads);
        body.run(phase, At{block, thread}, shared, registers[thread]);
      }
  }

  template <class Index>
  [[nodiscard]] Index in_order(Index i, Index count) const {
    return order_ == GridOrder::kForward ? i : count - 1 - i;
  }

  GridOrder order_;
};

}  // namespace tessera::kernels::cuda

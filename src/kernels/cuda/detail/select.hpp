// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/best_rows.hpp"
#include "kernels/cuda/detail/grid.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::kernels::cuda {

/// A block finds the k-th largest of all keys of query i: of its k places in `before` and of the count(i) keys key(i,
/// j) of `source`. It finds one digit of 8 bits after the other, from the first: it counts keys by digit and takes the
/// digit that the k-th of them has. Then `finish` uses the key.
template <class Source, class Finish>
struct SelectBody {
  static constexpr unsigned kThreads = 256;
  static constexpr unsigned kStepPhases = 3;
  struct Shared {
    BestKey lowest[kThreads];  // the lowest key in `before` that a thread saw
    std::uint32_t counts[256];
    BestKey floor;      // keys of the source below it are not among the k best
    BestKey threshold;  // the k-th largest key, as far as its digits are known
    std::uint32_t wanted;
    std::uint32_t place;
  };
  struct Registers {};

  Source source;
  const BestKey* before;
  std::size_t k;
  unsigned digits;  ///< how many digits are found; the others of the threshold are 0
  Finish finish;

  [[nodiscard]] TESSERA_HOST_DEVICE unsigned phases() const { return 2 + digits * kStepPhases + Finish::kPhases; }

  TESSERA_HOST_DEVICE void run(unsigned phase, At at, Shared& shared, Registers& /*registers*/) const {
    if (phase == 0) return find_lowest(at, shared);
    if (phase == 1) return begin(at.thread, shared);
    const unsigned step = (phase - 2) / kStepPhases;
    if (step >= digits) return finish.run(*this, phase - 2 - digits * kStepPhases, at, shared.threshold, &shared.place);
    const unsigned shift = 56 - 8 * step;
    if ((phase - 2) % kStepPhases == 0) shared.counts[at.thread] = 0;
    if ((phase - 2) % kStepPhases == 1) count(at, shift, shared);
    if ((phase - 2) % kStepPhases == 2 && at.thread == 0) choose(shift, shared);
  }

  /// Calls body(key) with the keys of query at.block that are this thread's and may be among the k best.
  template <class Body>
  TESSERA_HOST_DEVICE void for_keys(At at, BestKey floor, const Body& body) const {
    const std::size_t i = at.block;
    for (std::size_t e = at.thread; e < k; e += kThreads) body(before[i * k + e]);
    const std::size_t end = source.count(i);
    for (std::size_t e = at.thread; e < end; e += kThreads) {
      const BestKey key = source.key(i, e);
      if (key >= floor) body(key);
    }
  }

 private:
  static_assert(kThreads == 256, "a thread clears the count of a digit");

  TESSERA_HOST_DEVICE void find_lowest(At at, Shared& shared) const {
    BestKey lowest = ~BestKey{0};
    for (std::size_t e = at.thread; e < k; e += kThreads) {
      const BestKey key = before[at.block * k + e];
      lowest = key < lowest ? key : lowest;
    }
    shared.lowest[at.thread] = lowest;
  }

  TESSERA_HOST_DEVICE void begin(unsigned thread, Shared& shared) const {
    if (thread != 0) return;
    BestKey floor = shared.lowest[0];
    for (unsigned t = 1; t < kThreads; ++t) floor = shared.lowest[t] < floor ? shared.lowest[t] : floor;
    // A key may be below the floor in the digits that nobody looks at, and still be as good.
    shared.floor = floor >> (64 - 8 * digits) << (64 - 8 * digits);
    shared.threshold = 0;
    shared.wanted = static_cast<std::uint32_t>(k);
    shared.place = 0;
  }

  TESSERA_HOST_DEVICE void count(At at, unsigned shift, Shared& shared) const {
    for_keys(at, shared.floor, [&](BestKey key) {
      if ((key ^ shared.threshold) >> shift < 256) add_count(&shared.counts[key >> shift & 255U], 1U);
    });
  }

  /// At least k keys were counted: those of `before`.
  TESSERA_HOST_DEVICE void choose(unsigned shift, Shared& shared) const {
    unsigned digit = 255;
    for (; digit > 0 && shared.counts[digit] < shared.wanted; --digit) shared.wanted -= shared.counts[digit];
    shared.threshold |= static_cast<BestKey>(digit) << shift;
  }
};

/// Writes the score that k of the keys reach, as ordered() gives it.
struct StoreBar {
  static constexpr unsigned kPhases = 1;
  std::uint32_t* bars;
  template <class Select>
  TESSERA_HOST_DEVICE void run(const Select& /*select*/, unsigned /*phase*/, At at, BestKey threshold,
                               std::uint32_t* /*place*/) const {
    if (at.thread == 0) bars[at.block] = static_cast<std::uint32_t>(threshold >> 32U);
  }
};

/// Writes the k largest keys, then 0 in the places that are left.
struct StoreBest {
  static constexpr unsigned kPhases = 2;
  BestKey* after;
  template <class Select>
  TESSERA_HOST_DEVICE void run(const Select& select, unsigned phase, At at, BestKey threshold,
                               std::uint32_t* place) const {
    BestKey* out = after + at.block * select.k;
    if (phase == 0) {
      select.for_keys(at, threshold, [&](BestKey key) {
        if (key == 0 || key < threshold) return;
        const std::uint32_t at_place = take_place(place);
        if (at_place < select.k) out[at_place] = key;
      });
    } else {
      for (std::size_t e = *place + at.thread; e < select.k; e += Select::kThreads) out[e] = 0;
    }
  }
};

}  // namespace tessera::kernels::cuda

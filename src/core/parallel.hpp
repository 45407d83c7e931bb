// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>

namespace tessera {

/// Calls body(i) for i in [0, count) on up to `threads` threads. The bodies must not depend on each other; which thread
/// runs which is not fixed. The first exception is rethrown on the caller after all threads are done.
template <class Body>
void parallel_for(std::size_t count, std::size_t threads, const Body& body) {
  if (threads <= 1 || count <= 1) {
    for (std::size_t i = 0; i < count; ++i) body(i);
    return;
  }
  std::exception_ptr failure;
  const auto workers = static_cast<int>(std::min(threads, count));
#pragma omp parallel for num_threads(workers) schedule(dynamic, 1)
  for (std::size_t i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
#pragma omp critical(tessera_parallel_for)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tessera

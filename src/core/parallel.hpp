// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <type_traits>

namespace tessera {

namespace detail {
template <class Body>
void call(const Body& body, std::size_t i, std::size_t worker) {
  if constexpr (std::is_invocable_v<const Body&, std::size_t, std::size_t>)
    body(i, worker);
  else
    body(i);
}
}  // namespace detail

/// Calls body(i), or body(i, worker) with worker < threads, for i in [0, count) on up to `threads` threads. The bodies
/// must not depend on each other; which thread runs which is not fixed. The first exception is rethrown on the caller
/// after all threads are done.
template <class Body>
void parallel_for(std::size_t count, std::size_t threads, const Body& body) {
  if (threads <= 1 || count <= 1) {
    for (std::size_t i = 0; i < count; ++i) detail::call(body, i, 0);
    return;
  }
  std::exception_ptr failure;
  const auto workers = static_cast<int>(std::min(threads, count));
#pragma omp parallel for num_threads(workers) schedule(dynamic, 1)
  for (std::size_t i = 0; i < count; ++i) {
    try {
      detail::call(body, i, static_cast<std::size_t>(omp_get_thread_num()));
    } catch (...) {
#pragma omp critical(tessera_parallel_for)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tessera

"""Captions of many lengths laid out without padding, as the recurrence reads them."""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Packing:
    """The spoken positions of a padded grid (photos, captions, time), time first, longest caption first.

    At time t the first `num_active[t]` captions of `order` speak; their rows follow those of time t - 1. So a step of
    the recurrence reads one slice, and a caption that has ended costs nothing more.

    shape: (3,) int32, the grid's photos, captions and time
    order: (photos * captions,) int32, captions by falling length
    num_active: (time,) int32, captions that still speak
    starts: (time,) int32, the first row of each time
    positions: (rows,) int32, where each row lies in the flat grid
    previous: (rows,) int32, where each row's caption was one time step before, in first states (as ordered) + rows
    """

    shape: tf.Tensor
    order: tf.Tensor
    num_active: tf.Tensor
    starts: tf.Tensor
    positions: tf.Tensor
    previous: tf.Tensor

    @classmethod
    def of(cls, lengths: tf.Tensor, num_steps: tf.Tensor) -> "Packing":
        """lengths: (photos, captions) int32, tokens spoken in each caption; num_steps: the grid's time axis."""
        shape = tf.concat([tf.shape(lengths), [num_steps]], axis=0)
        lengths = tf.reshape(lengths, [-1])
        order = tf.argsort(lengths, direction="DESCENDING", stable=True)
        is_spoken = tf.gather(lengths, order)[None] > tf.range(num_steps)[:, None]  # (time, captions)
        num_active = tf.reduce_sum(tf.cast(is_spoken, tf.int32), axis=1)
        starts = tf.cumsum(num_active, exclusive=True)
        time, rank = tf.unstack(tf.cast(tf.where(is_spoken), tf.int32), axis=1)
        starts_before = tf.concat([[0], tf.size(order) + starts[:-1]], axis=0)
        return cls(
            shape=shape,
            order=order,
            num_active=num_active,
            starts=starts,
            positions=tf.gather(order, rank) * num_steps + time,
            previous=tf.gather(starts_before, time) + rank,
        )

    def pack(self, grid: tf.Tensor) -> tf.Tensor:
        """(photos, captions, time, ...) -> (rows, ...)"""
        return tf.gather(tf.reshape(grid, [-1, *grid.shape[3:]]), self.positions)

    def unpack(self, rows: tf.Tensor) -> tf.Tensor:
        """(rows, depth) -> (photos, captions, time, depth), zero where nothing is spoken."""
        depth = rows.shape[-1]
        flat = tf.scatter_nd(self.positions[:, None], rows, [tf.reduce_prod(self.shape), depth])
        return tf.reshape(flat, [*tf.unstack(self.shape), depth])

    def rows_at(self, rows: tf.Tensor, time) -> tf.Tensor:
        """(rows, depth) -> (active captions, depth)"""
        return rows[self.starts[time] : self.starts[time] + self.num_active[time]]

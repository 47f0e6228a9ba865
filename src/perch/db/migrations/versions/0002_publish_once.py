"""Publish once: looks, pauses, rests, slots, recurring posts, notices, the month's budget.

What the database alone can promise stands here as triggers: what has ended stays ended, the bytes of an
attempt never change, and neither does the id that X gave to a card.
"""

from alembic import op
import sqlalchemy as sa

import perch.db.base

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('monthly_budget',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('scope', sa.String(), nullable=False),
    sa.Column('month', sa.String(), nullable=False),
    sa.Column('reserved_micros', sa.BigInteger(), nullable=False),
    sa.Column('spent_micros', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_monthly_budget')),
    sa.UniqueConstraint('scope', 'month', name=op.f('uq_monthly_budget_scope_month'))
    )
    op.create_table('notice',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(), nullable=False),
    sa.Column('workspace_id', sa.Integer(), nullable=True),
    sa.Column('cause', sa.String(), nullable=False),
    sa.Column('kind', sa.String(), nullable=False),
    sa.Column('sentence', sa.String(), nullable=False),
    sa.Column('fix', sa.String(), nullable=False),
    sa.Column('link', sa.String(), nullable=True),
    sa.Column('began_at', perch.db.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ended_at', perch.db.base.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_notice_workspace_id_workspace'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice')),
    sa.UniqueConstraint('public_id', name=op.f('uq_notice_public_id'))
    )
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.create_index('ix_notice_workspace_id_ended_at', ['workspace_id', 'ended_at'], unique=False)
        batch_op.create_index('uq_notice_open_cause', ['cause'], unique=True, sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))

    op.create_table('revocation',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(), nullable=False),
    sa.Column('app_id', sa.Integer(), nullable=False),
    sa.Column('account_public_id', sa.String(), nullable=False),
    sa.Column('token_sealed', sa.Text(), nullable=False),
    sa.Column('hint', sa.String(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('try_at', perch.db.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('created_at', perch.db.base.UtcDateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['app_id'], ['x_app.id'], name=op.f('fk_revocation_app_id_x_app'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_revocation')),
    sa.UniqueConstraint('public_id', name=op.f('uq_revocation_public_id'))
    )
    with op.batch_alter_table('revocation', schema=None) as batch_op:
        batch_op.create_index('ix_revocation_try_at', ['try_at'], unique=False)

    op.create_table('recurrence',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(), nullable=False),
    sa.Column('workspace_id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('author_kind', sa.String(), nullable=False),
    sa.Column('author_id', sa.String(), nullable=False),
    sa.Column('author_name', sa.String(), nullable=False),
    sa.Column('state', sa.String(), nullable=False),
    sa.Column('rule', sa.String(), nullable=False),
    sa.Column('zone', sa.String(), nullable=False),
    sa.Column('jitter_s', sa.Integer(), nullable=False),
    sa.Column('missed_policy', sa.String(), nullable=False),
    sa.Column('starts_at', perch.db.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('ends_at', perch.db.base.UtcDateTime(timezone=True), nullable=True),
    sa.Column('most', sa.Integer(), nullable=True),
    sa.Column('next_local', sa.String(), nullable=True),
    sa.Column('made', sa.Integer(), nullable=False),
    sa.Column('why', sa.String(), nullable=True),
    sa.Column('created_at', perch.db.base.UtcDateTime(timezone=True), nullable=False),
    sa.Column('updated_at', perch.db.base.UtcDateTime(timezone=True), nullable=False),
    sa.CheckConstraint("state IN ('on', 'paused', 'ended')", name=op.f('ck_recurrence_state')),
    sa.ForeignKeyConstraint(['account_id'], ['x_account.id'], name=op.f('fk_recurrence_account_id_x_account'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_recurrence_workspace_id_workspace'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recurrence')),
    sa.UniqueConstraint('public_id', name=op.f('uq_recurrence_public_id'))
    )
    with op.batch_alter_table('recurrence', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_recurrence_account_id'), ['account_id'], unique=False)
        batch_op.create_index('ix_recurrence_next_local', ['next_local'], unique=False)

    op.create_table('slot',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('account_id', sa.Integer(), nullable=False),
    sa.Column('weekday', sa.Integer(), nullable=False),
    sa.Column('minute', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['account_id'], ['x_account.id'], name=op.f('fk_slot_account_id_x_account'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_slot')),
    sa.UniqueConstraint('account_id', 'weekday', 'minute', name=op.f('uq_slot_account_id_weekday_minute'))
    )
    op.create_table('recurrence_variant',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('recurrence_id', sa.Integer(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('cards', sa.Text(), nullable=False),
    sa.Column('uses', sa.Integer(), nullable=False),
    sa.Column('used_at', perch.db.base.UtcDateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['recurrence_id'], ['recurrence.id'], name=op.f('fk_recurrence_variant_recurrence_id_recurrence'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_recurrence_variant')),
    sa.UniqueConstraint('recurrence_id', 'position', name=op.f('uq_recurrence_variant_recurrence_id_position'))
    )
    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.add_column(sa.Column('look_at', perch.db.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('looks', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('absences', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('absent_at', perch.db.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.create_index('ix_attempt_look_at', ['look_at'], unique=False, sqlite_where=sa.text('look_at IS NOT NULL'), postgresql_where=sa.text('look_at IS NOT NULL'))

    with op.batch_alter_table('post', schema=None) as batch_op:
        batch_op.add_column(sa.Column('jitter_s', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('recurrence_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('occurrence', sa.String(), nullable=True))
        batch_op.add_column(sa.Column('reserved_micros', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('story_seq', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('story_hash', sa.String(), nullable=False, server_default=''))
        batch_op.create_index('ix_post_open_due_at', ['due_at'], unique=False, sqlite_where=sa.text("state IN ('scheduled', 'publishing')"), postgresql_where=sa.text("state IN ('scheduled', 'publishing')"))
        batch_op.create_unique_constraint(batch_op.f('uq_post_recurrence_id_occurrence'), ['recurrence_id', 'occurrence'])
        batch_op.create_foreign_key(batch_op.f('fk_post_recurrence_id_recurrence'), 'recurrence', ['recurrence_id'], ['id'], ondelete='SET NULL')

    with op.batch_alter_table('segment', schema=None) as batch_op:
        batch_op.add_column(sa.Column('delete_at', perch.db.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('deleted_at', perch.db.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.create_index('ix_segment_delete_at', ['delete_at'], unique=False, sqlite_where=sa.text('delete_at IS NOT NULL'), postgresql_where=sa.text('delete_at IS NOT NULL'))

    with op.batch_alter_table('x_account', schema=None) as batch_op:
        batch_op.add_column(sa.Column('rests_until', perch.db.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('rests', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('missed_policy', sa.String(), nullable=False, server_default='send'))
        batch_op.create_check_constraint(batch_op.f('ck_x_account_missed_policy'), "missed_policy IN ('send', 'ask')")

    with op.batch_alter_table('x_grant', schema=None) as batch_op:
        batch_op.add_column(sa.Column('refused_since', perch.db.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('refused_at', perch.db.base.UtcDateTime(timezone=True), nullable=True))

    with op.batch_alter_table('x_app', schema=None) as batch_op:
        batch_op.add_column(sa.Column('paused_reason', sa.String(), nullable=True))
        batch_op.add_column(sa.Column('paused_until', perch.db.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('rests_until', perch.db.base.UtcDateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('rests', sa.Integer(), nullable=False, server_default='0'))

    _remember_tails()
    for name, table, column, guard, words in _GUARDS:
        _guard(name, table, column, guard, words)


def _remember_tails() -> None:
    """Each post knows the end of its story, so that lines cut off there are missed."""
    op.execute(
        "UPDATE post SET story_seq = (SELECT count(*) FROM post_event WHERE post_event.post_id = post.id),"
        " story_hash = coalesce((SELECT hash FROM post_event WHERE post_event.post_id = post.id"
        " ORDER BY seq DESC LIMIT 1), '')"
    )


_GUARDS = (
    ("post_ended", "post", "state",
     "OLD.state IN ('published', 'refused', 'cancelled', 'expired') AND NEW.state <> OLD.state",
     "a post that has ended stays as it is"),
    ("attempt_ended", "attempt", "state",
     "OLD.state IN ('ok', 'rejected', 'not_sent', 'found', 'absent') AND NEW.state <> OLD.state",
     "an attempt that has ended stays as it is"),
    ("attempt_payload", "attempt", "payload",
     "NEW.payload <> OLD.payload", "the bytes of an attempt never change"),
    ("segment_x_post_id", "segment", "x_post_id",
     "OLD.x_post_id IS NOT NULL AND (NEW.x_post_id IS NULL OR NEW.x_post_id <> OLD.x_post_id)",
     "the id that X gave never changes"),
)


def _guard(name: str, table: str, column: str, guard: str, words: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER {name} BEFORE UPDATE OF {column} ON {table} WHEN {guard}"
            f" BEGIN SELECT RAISE(ABORT, '{words}'); END"
        )
        return
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$"
        f" BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name} BEFORE UPDATE OF {column} ON {table} FOR EACH ROW WHEN ({guard})"
        f" EXECUTE FUNCTION {name}()"
    )


def _unguard(name: str, table: str) -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER {name}")
        return
    op.execute(f"DROP TRIGGER {name} ON {table}")
    op.execute(f"DROP FUNCTION {name}()")


def downgrade() -> None:
    for name, table, *_ in _GUARDS:
        _unguard(name, table)
    with op.batch_alter_table('x_grant', schema=None) as batch_op:
        batch_op.drop_column('refused_at')
        batch_op.drop_column('refused_since')

    with op.batch_alter_table('x_app', schema=None) as batch_op:
        batch_op.drop_column('rests')
        batch_op.drop_column('rests_until')
        batch_op.drop_column('paused_until')
        batch_op.drop_column('paused_reason')

    with op.batch_alter_table('x_account', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_x_account_missed_policy'), type_='check')
        batch_op.drop_column('missed_policy')
        batch_op.drop_column('rests')
        batch_op.drop_column('rests_until')

    with op.batch_alter_table('segment', schema=None) as batch_op:
        batch_op.drop_index('ix_segment_delete_at', sqlite_where=sa.text('delete_at IS NOT NULL'), postgresql_where=sa.text('delete_at IS NOT NULL'))
        batch_op.drop_column('deleted_at')
        batch_op.drop_column('delete_at')

    with op.batch_alter_table('post', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_post_recurrence_id_recurrence'), type_='foreignkey')
        batch_op.drop_constraint(batch_op.f('uq_post_recurrence_id_occurrence'), type_='unique')
        batch_op.drop_index('ix_post_open_due_at', sqlite_where=sa.text("state IN ('scheduled', 'publishing')"), postgresql_where=sa.text("state IN ('scheduled', 'publishing')"))
        batch_op.drop_column('story_hash')
        batch_op.drop_column('story_seq')
        batch_op.drop_column('reserved_micros')
        batch_op.drop_column('occurrence')
        batch_op.drop_column('recurrence_id')
        batch_op.drop_column('jitter_s')

    with op.batch_alter_table('attempt', schema=None) as batch_op:
        batch_op.drop_index('ix_attempt_look_at', sqlite_where=sa.text('look_at IS NOT NULL'), postgresql_where=sa.text('look_at IS NOT NULL'))
        batch_op.drop_column('absent_at')
        batch_op.drop_column('absences')
        batch_op.drop_column('looks')
        batch_op.drop_column('look_at')

    op.drop_table('recurrence_variant')
    op.drop_table('slot')
    with op.batch_alter_table('recurrence', schema=None) as batch_op:
        batch_op.drop_index('ix_recurrence_next_local')
        batch_op.drop_index(batch_op.f('ix_recurrence_account_id'))

    op.drop_table('recurrence')
    with op.batch_alter_table('revocation', schema=None) as batch_op:
        batch_op.drop_index('ix_revocation_try_at')

    op.drop_table('revocation')
    with op.batch_alter_table('notice', schema=None) as batch_op:
        batch_op.drop_index('uq_notice_open_cause', sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
        batch_op.drop_index('ix_notice_workspace_id_ended_at')

    op.drop_table('notice')
    op.drop_table('monthly_budget')

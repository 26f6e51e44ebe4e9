import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    contract = "No release came before it: figures are counted from the record, and will be again."

    dependencies = [
        ('activity', '0011_rules'),
    ]

    operations = [
        migrations.DeleteModel(name='DailyRollup'),
        migrations.DeleteModel(name='RollupCursor'),
        migrations.CreateModel(
            name='DailyTotal',
            fields=[
                ('pk', models.CompositePrimaryKey('build', 'action', 'day', 'outcome', 'facet', blank=True, editable=False, primary_key=True, serialize=False)),
                ('build', models.PositiveSmallIntegerField(default=1)),
                ('action', models.CharField(max_length=64)),
                ('day', models.DateField()),
                ('outcome', models.CharField(max_length=16)),
                ('facet', models.CharField(default='', help_text="A sign-in's method, say.", max_length=32)),
                ('events', models.BigIntegerField()),
            ],
            options={
                'verbose_name': 'daily total',
            },
        ),
        migrations.CreateModel(
            name='MonthlyTally',
            fields=[
                ('pk', models.CompositePrimaryKey('build', 'kind', 'month', 'subject', blank=True, editable=False, primary_key=True, serialize=False)),
                ('build', models.PositiveSmallIntegerField(default=1)),
                ('month', models.DateField(help_text='Its first day.')),
                ('days', models.IntegerField(help_text='Bit n is set when there was anything on day n + 1.')),
                ('events', models.IntegerField(help_text='All that is counted.')),
                ('sign_ins', models.IntegerField(default=0, help_text='Sign-ins that succeeded.')),
                ('failures', models.IntegerField(default=0, help_text='What failed or was denied.')),
                ('changes', models.IntegerField(default=0, help_text='Of people: to people and roles.')),
                ('last_at', models.DateTimeField(help_text='When it was last.')),
                ('kind', models.CharField(choices=[('person', 'Person'), ('network', 'Network'), ('object', 'Object'), ('admin', 'Admin'), ('flood', 'Flood')], max_length=8)),
                ('subject', models.CharField(max_length=160)),
                ('label', models.CharField(blank=True, max_length=200)),
                ('events_through', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, help_text='Empty for networks and objects: the sum of the others.', size=None)),
                ('sign_ins_through', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None)),
                ('failures_through', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None)),
                ('changes_through', django.contrib.postgres.fields.ArrayField(base_field=models.IntegerField(), default=list, size=None)),
            ],
            options={
                'verbose_name': 'monthly tally',
            },
        ),
        migrations.CreateModel(
            name='RollupCursor',
            fields=[
                ('build', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('is_served', models.BooleanField(default=True)),
                ('number', models.BigIntegerField(default=0, help_text='The newest segment that is counted.')),
                ('size', models.BigIntegerField(default=0, help_text='How many events of the record that is.')),
                ('zone', models.CharField(help_text='Whose days are counted.', max_length=64)),
                ('folded_at', models.DateTimeField(null=True)),
                ('cut_day', models.DateField(null=True)),
                ('cut_at', models.DateTimeField(null=True)),
                ('since', models.DateTimeField(null=True)),
                ('copied', models.BigIntegerField(default=0)),
                ('compared_at', models.DateTimeField(null=True)),
                ('difference', models.CharField(blank=True, help_text='The first, if any.', max_length=300)),
            ],
            options={
                'verbose_name': 'roll-up cursor',
            },
        ),
    ]

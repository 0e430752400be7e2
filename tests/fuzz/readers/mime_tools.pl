# What MIME::Tools sees: each file on the command line, one line of JSON with [name, type] for each part.
use strict;
use warnings;
use JSON::PP;
use MIME::Parser;
use MIME::WordDecoder;

local $SIG{__WARN__} = sub { };
my $decoder = MIME::WordDecoder->supported('UTF-8');

sub seen {
    my ($entity, $found) = @_;
    # It makes a file of every line that begins like uuencode; one that holds nothing is none.
    my $is_made = defined $entity->head->mime_attr('content-type.x-unix-mode');
    return if $is_made && $entity->bodyhandle && !length $entity->bodyhandle->as_string;
    my $name = $entity->head->recommended_filename;
    for my $one (grep { defined } $name, $entity->head->mime_attr('content-disposition.filename'),
        $entity->head->mime_attr('content-type.name'))
    {
        push @$found, [$one, $entity->effective_type], [eval { $decoder->decode($one) } // '', $entity->effective_type];
    }
    push @$found, ['', $entity->effective_type];
    seen($_, $found) for $entity->parts;
}

for my $file (@ARGV) {
    my $parser = MIME::Parser->new;
    $parser->output_to_core(1);
    $parser->tmp_to_core(1);
    $parser->extract_nested_messages(1);
    $parser->extract_uuencode(1);
    my $found = [];
    eval { seen($parser->parse_open($file), $found) };
    print JSON::PP->new->ascii->encode($found), "\n";
}
